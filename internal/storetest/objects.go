package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"pryde/internal/files"
)

// Objects tests what keeps the sealed content of files. open returns an empty store of objects that
// the end of the test closes.
func Objects(t *testing.T, open func(*testing.T) files.Objects) {
	tests := map[string]func(*testing.T, files.Objects){
		"ObjectComesBackAsItWasStored":     testObject,
		"AnObjectIsReadFromAnywhere":       testFrom,
		"UnknownObjectsAreNotThere":        testNoObject,
		"DeletedObjectsAreGone":            testDeleteObject,
		"WhatDoesNotArriveLeavesNothing":   testPartly,
		"ObjectsAreListedByKeyAndPrefix":   testList,
		"ManyAreStoredAndReadAtOnce":       testManyObjects,
		"AnObjectIsReplacedAsAWhole":       testReplace,
		"ObjectsRememberWhenTheyWereMade":  testModified,
		"WhoeverReadsHasWhatWasThereFirst": testDeleteWhileReading,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func put(t testing.TB, o files.Objects, key string, content []byte) {
	t.Helper()
	if err := o.Put(t.Context(), key, bytes.NewReader(content), int64(len(content))); err != nil {
		t.Errorf("Put %s: %v", key, err)
	}
}

func read(t testing.TB, o files.Objects, key string, from int64) []byte {
	t.Helper()
	object, err := o.Open(t.Context(), key)
	if err != nil {
		t.Errorf("Open %s: %v", key, err)
		return nil
	}
	return readFrom(t, object, from)
}

// readFrom reads an object to its end and closes it.
func readFrom(t testing.TB, object files.Object, from int64) []byte {
	t.Helper()
	r, err := object.From(from)
	if err != nil {
		t.Fatalf("From %d: %v", from, err)
	}
	b, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close(), object.Close()); err != nil {
		t.Errorf("read from %d: %v", from, err)
	}
	return b
}

// noise is content that compresses to nothing else.
func noise(size int) []byte {
	b := make([]byte, size)
	for i, n := 0, uint32(1); i < size; i++ {
		n = n*1_664_525 + 1_013_904_223
		b[i] = byte(n >> 24)
	}
	return b
}

func testObject(t *testing.T, o files.Objects) {
	for i, size := range []int{0, 1, 65_552, 16<<20 + 1} {
		key := fmt.Sprintf("base/%02x/object", i)
		put(t, o, key, noise(size))
		if got := read(t, o, key, 0); !bytes.Equal(got, noise(size)) {
			t.Errorf("an object of %d bytes came back with %d", size, len(got))
		}
	}
}

func testFrom(t *testing.T, o files.Objects) {
	content := noise(200_000)
	put(t, o, "base/00/object", content)
	for _, from := range []int64{0, 1, 65_552, 199_999} {
		if got := read(t, o, "base/00/object", from); !bytes.Equal(got, content[from:]) {
			t.Errorf("from %d: %d bytes, want %d", from, len(got), len(content)-int(from))
		}
	}
	object, err := o.Open(t.Context(), "base/00/object")
	if err != nil {
		t.Fatal(err)
	}
	r, err := object.From(10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		t.Error(err)
	}
	if err := errors.Join(r.Close(), object.Close()); err != nil {
		t.Errorf("close what was not read to its end: %v", err)
	}
}

func testNoObject(t *testing.T, o files.Objects) {
	if _, err := o.Open(t.Context(), "base/00/object"); !errors.Is(err, files.ErrNoObject) {
		t.Errorf("Open gave %v, want ErrNoObject", err)
	}
	if err := o.Delete(t.Context(), "base/00/object"); err != nil {
		t.Errorf("Delete: %v", err)
	}
	if list, err := o.List(t.Context(), "base/00/", "", 10); err != nil || len(list) != 0 {
		t.Errorf("List gave %v and error %v", list, err)
	}
}

func testDeleteObject(t *testing.T, o files.Objects) {
	put(t, o, "base/00/gone", noise(10))
	put(t, o, "base/00/kept", noise(20))

	for range 2 {
		if err := o.Delete(t.Context(), "base/00/gone"); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}

	if _, err := o.Open(t.Context(), "base/00/gone"); !errors.Is(err, files.ErrNoObject) {
		t.Errorf("Open gave %v, want ErrNoObject", err)
	}
	if got := read(t, o, "base/00/kept", 0); !bytes.Equal(got, noise(20)) {
		t.Error("the other object changed")
	}
}

func testPartly(t *testing.T, o files.Objects) {
	broken := errors.New("broken")
	for what, content := range map[string]io.Reader{
		"reading fails": io.MultiReader(bytes.NewReader(noise(100_000)), iotest.ErrReader(broken)), "it is too short": bytes.NewReader(noise(100_000)),
	} {
		if err := o.Put(t.Context(), "base/00/object", content, 200_000); err == nil {
			t.Errorf("%s, and it is stored", what)
		}
		if _, err := o.Open(t.Context(), "base/00/object"); !errors.Is(err, files.ErrNoObject) {
			t.Errorf("%s: Open gave %v, want ErrNoObject", what, err)
		}
		if list, err := o.List(t.Context(), "base/00/", "", 10); err != nil || len(list) != 0 {
			t.Errorf("%s: List gave %v and error %v", what, list, err)
		}
	}
}

func testList(t *testing.T, o files.Objects) {
	for i := range 25 {
		put(t, o, fmt.Sprintf("base/0a/%04d", 3*i), noise(1))
	}
	put(t, o, "base/0b/0001", noise(1))
	put(t, o, "other/0a/0001", noise(1))
	list := func(prefix, after string, limit int) []string {
		t.Helper()
		found, err := o.List(t.Context(), prefix, after, limit)
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, f := range found {
			keys = append(keys, f.Key)
		}
		return keys
	}

	if got := list("base/0a/", "", 100); len(got) != 25 || got[0] != "base/0a/0000" || got[24] != "base/0a/0072" {
		t.Errorf("all: %v", got)
	}
	same(t, "the first two", list("base/0a/", "", 2), []string{"base/0a/0000", "base/0a/0003"})
	same(t, "behind one of them", list("base/0a/", "base/0a/0003", 2), []string{"base/0a/0006", "base/0a/0009"})
	same(t, "behind one that is not there", list("base/0a/", "base/0a/0070", 5), []string{"base/0a/0072"})
	same(t, "behind the last", list("base/0a/", "base/0a/0072", 5), []string(nil))
	same(t, "another part", list("base/0b/", "", 5), []string{"base/0b/0001"})
}

func testManyObjects(t *testing.T, o files.Objects) {
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			key := fmt.Sprintf("base/%02x/object", i%3) + strings.Repeat("x", i)
			put(t, o, key, noise(10_000+i))
			if got := read(t, o, key, 0); !bytes.Equal(got, noise(10_000+i)) {
				t.Errorf("object %d came back with %d bytes", i, len(got))
			}
		})
	}
	wg.Wait()
}

func testReplace(t *testing.T, o files.Objects) {
	put(t, o, "base/00/object", noise(100_000))
	put(t, o, "base/00/object", noise(10))
	if got := read(t, o, "base/00/object", 0); !bytes.Equal(got, noise(10)) {
		t.Errorf("%d bytes came back, want those of the second", len(got))
	}
}

func testModified(t *testing.T, o files.Objects) {
	before := time.Now().Add(-time.Minute)
	put(t, o, "base/00/object", noise(1))
	list, err := o.List(t.Context(), "base/00/", "", 1)
	if err != nil || len(list) != 1 {
		t.Fatalf("List gave %v and error %v", list, err)
	}
	if at := list[0].Modified; at.Before(before) || at.After(time.Now().Add(time.Minute)) {
		t.Errorf("it was made at %v", at)
	}
}

func testDeleteWhileReading(t *testing.T, o files.Objects) {
	content := noise(300_000)
	put(t, o, "base/00/object", content)
	object, err := o.Open(t.Context(), "base/00/object")
	if err != nil {
		t.Fatal(err)
	}
	r, err := object.From(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Delete(t.Context(), "base/00/object"); err != nil {
		t.Fatal(err)
	}
	// A store may end the answer, but never with other bytes.
	got, _ := io.ReadAll(r)
	if !bytes.HasPrefix(content, got) {
		t.Error("other bytes came than were stored")
	}
	if err := errors.Join(r.Close(), object.Close()); err != nil {
		t.Error(err)
	}
}
