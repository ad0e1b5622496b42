package powercut

import (
	"bytes"
	"maps"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const regular = syscall.S_IFREG | 0o600

func mustCreate(t *testing.T, d *disk, dir *file, name string, mode uint32) *file {
	t.Helper()
	f, errno := d.create(dir, name, mode)
	if errno != 0 {
		t.Fatalf("create %s: %v", name, errno)
	}
	return f
}

func mustWrite(t *testing.T, d *disk, f *file, b []byte, at int64) {
	t.Helper()
	if errno := d.write(f, b, at); errno != 0 {
		t.Fatalf("write: %v", errno)
	}
}

func mustSync(t *testing.T, d *disk, files ...*file) {
	t.Helper()
	for _, f := range files {
		if errno := d.sync(f, 0); errno != 0 {
			t.Fatalf("sync: %v", errno)
		}
	}
}

func powerCut(d *disk) {
	d.cut()
	d.restore()
}

// fill returns n bytes of one value.
func fill(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }

// names returns the names of a directory, sorted.
func names(dir *file) []string { return slices.Sorted(maps.Keys(dir.names)) }

// cuts is how many seeds the tests of what may survive try.
const cuts = 200

func TestWhatWasSyncedSurvives(t *testing.T) {
	for seed := range uint64(cuts) {
		d := newDisk(seed)
		f := mustCreate(t, d, d.root, "f", regular)
		mustWrite(t, d, f, fill('a', 10_000), 0)
		mustSync(t, d, f, d.root)
		mustWrite(t, d, f, fill('b', 5_000), 10_000)

		powerCut(d)

		got := d.root.names["f"]
		if got == nil || len(got.live) < 10_000 || !bytes.Equal(got.live[:10_000], fill('a', 10_000)) {
			t.Fatalf("seed %d: what was synced is not there", seed)
		}
	}
}

func TestWhatWasNotSyncedSurvivesInPartAtMost(t *testing.T) {
	var none, all, torn int
	for seed := range uint64(cuts) {
		d := newDisk(seed)
		f := mustCreate(t, d, d.root, "f", regular)
		mustWrite(t, d, f, fill('a', 10*pageSize), 0)
		mustSync(t, d, f, d.root)
		mustWrite(t, d, f, fill('b', 10*pageSize), 0)

		powerCut(d)

		kept := bytes.Count(f.live, []byte("b"))
		if kept%sectorSize != 0 || kept+bytes.Count(f.live, []byte("a")) != 10*pageSize {
			t.Fatalf("seed %d: %d bytes survived, and no whole number of sectors", seed, kept)
		}
		switch {
		case kept == 0:
			none++
		case kept == 10*pageSize:
			all++
		case kept%pageSize != 0:
			torn++
		}
	}
	if none < cuts/5 || torn < cuts/5 || all > cuts/2 {
		t.Errorf("of %d cuts %d kept nothing, %d all and %d tore a page; want a good share of each kind of loss", cuts, none, all, torn)
	}
}

func TestAnUnsyncedNameMayVanish(t *testing.T) {
	var there int
	for seed := range uint64(cuts) {
		d := newDisk(seed)
		f := mustCreate(t, d, d.root, "f", regular)
		mustWrite(t, d, f, fill('a', 100), 0)
		mustSync(t, d, f)

		powerCut(d)

		there += len(names(d.root))
	}
	if there == 0 || there == cuts {
		t.Errorf("the name survived %d of %d cuts, want some", there, cuts)
	}
}

func TestAnUnsyncedRenameRevertsAsAWhole(t *testing.T) {
	var moved int
	for seed := range uint64(cuts) {
		d := newDisk(seed)
		sub := mustCreate(t, d, d.root, "sub", syscall.S_IFDIR|0o700)
		old := mustCreate(t, d, sub, "new", regular)
		f := mustCreate(t, d, d.root, "f", regular)
		mustSync(t, d, d.root, sub)
		if errno := d.move(d.root, "f", sub, "new", true); errno != 0 {
			t.Fatal(errno)
		}

		powerCut(d)

		switch root, got := names(d.root), sub.names["new"]; {
		case slices.Equal(root, []string{"sub"}) && got == f:
			moved++
		case slices.Equal(root, []string{"f", "sub"}) && got == old:
		default:
			t.Fatalf("seed %d: half a rename: %q and new is old: %v", seed, root, got == old)
		}
	}
	if moved == 0 || moved == cuts {
		t.Errorf("the rename survived %d of %d cuts, want some", moved, cuts)
	}
}

func TestASyncedRenameStays(t *testing.T) {
	for seed := range uint64(cuts) {
		d := newDisk(seed)
		sub := mustCreate(t, d, d.root, "sub", syscall.S_IFDIR|0o700)
		mustCreate(t, d, sub, "new", regular)
		f := mustCreate(t, d, d.root, "f", regular)
		if errno := d.move(d.root, "f", sub, "new", true); errno != 0 {
			t.Fatal(errno)
		}
		// The sync of one directory brings what the rename builds on in the other.
		mustSync(t, d, d.root)

		powerCut(d)

		if got := names(d.root); !slices.Equal(got, []string{"sub"}) || sub.names["new"] != f {
			t.Fatalf("seed %d: %q and new %v, want the rename", seed, got, sub.names)
		}
	}
}

func TestARemovedFileComesBackUnlessSynced(t *testing.T) {
	back := map[bool]int{}
	for _, synced := range []bool{false, true} {
		for seed := range uint64(cuts) {
			d := newDisk(seed)
			f := mustCreate(t, d, d.root, "f", regular)
			mustSync(t, d, d.root, f)
			if errno := d.remove(d.root, "f", false); errno != 0 {
				t.Fatal(errno)
			}
			if synced {
				mustSync(t, d, d.root)
			}

			powerCut(d)

			back[synced] += len(names(d.root))
		}
	}
	if back[true] != 0 || back[false] == 0 || back[false] == cuts {
		t.Errorf("the file came back after %d of %d cuts (%d with the removal synced), want some (none)", back[false], cuts, back[true])
	}
}

func TestATruncationReadsAsZeroesWhenTheFileGrowsAgain(t *testing.T) {
	d := newDisk(1)
	f := mustCreate(t, d, d.root, "f", regular)
	mustWrite(t, d, f, fill('a', 10_000), 0)
	mustSync(t, d, f, d.root)
	for _, size := range []int64{100, 10_000} {
		if errno := d.truncate(f, size); errno != 0 {
			t.Fatal(errno)
		}
	}
	mustSync(t, d, f)

	powerCut(d)

	if want := append(fill('a', 100), make([]byte, 9_900)...); !bytes.Equal(f.live, want) {
		t.Error("bytes behind a synced truncation came back")
	}
}

func TestNothingWorksWithoutPower(t *testing.T) {
	d := newDisk(1)
	f := mustCreate(t, d, d.root, "f", regular)
	d.cut()

	_, lookedUp := d.lookup(d.root, "f")
	_, created := d.create(d.root, "g", regular)
	_, read := d.read(f, make([]byte, 1), 0)
	for name, errno := range map[string]syscall.Errno{
		"lookup": lookedUp, "create": created, "read": read,
		"write": d.write(f, []byte("x"), 0), "sync": d.sync(f, 0), "remove": d.remove(d.root, "f", false),
		"move": d.move(d.root, "f", d.root, "h", true), "truncate": d.truncate(f, 1), "allocate": d.allocate(f, 1),
	} {
		if errno != syscall.EIO {
			t.Errorf("%s answers %v, want EIO", name, errno)
		}
	}
}

func TestACutDuringASyncTakesItBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk(1)
		f := mustCreate(t, d, d.root, "f", regular)
		mustSync(t, d, f, d.root)
		mustWrite(t, d, f, fill('a', 100), 0)
		answer := make(chan syscall.Errno)
		go func() { answer <- d.sync(f, time.Second) }()
		synctest.Wait()

		d.cut()

		if errno := <-answer; errno != syscall.EIO {
			t.Errorf("the sync answers %v, want EIO", errno)
		}
		if len(f.synced) != 0 {
			t.Error("the sync counted")
		}
	})
}

func TestTheDiskIsBounded(t *testing.T) {
	d := newDisk(1)
	f := mustCreate(t, d, d.root, "f", regular)

	if errno := d.truncate(f, capacity+1); errno != syscall.ENOSPC {
		t.Errorf("a file above the capacity: %v, want ENOSPC", errno)
	}
	mustWrite(t, d, f, fill('a', 1000), 0)
	if errno := d.remove(d.root, "f", false); errno != 0 {
		t.Fatal(errno)
	}
	if d.used != 0 {
		t.Errorf("%d bytes are used once all is removed, want 0", d.used)
	}
}

func TestTheSameSeedCutsTheSame(t *testing.T) {
	survivor := func(seed uint64) []byte {
		d := newDisk(seed)
		f := mustCreate(t, d, d.root, "f", regular)
		mustSync(t, d, d.root)
		mustWrite(t, d, f, fill('a', 50*pageSize), 0)
		powerCut(d)
		return f.live
	}
	different := false
	for seed := range uint64(20) {
		if !bytes.Equal(survivor(seed), survivor(seed)) {
			t.Errorf("seed %d cuts in two ways", seed)
		}
		different = different || !bytes.Equal(survivor(seed), survivor(seed+1))
	}
	if !different {
		t.Error("all seeds cut alike")
	}
}
