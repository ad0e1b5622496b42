package presence

import (
	"slices"
	"strconv"
	"testing"

	"pryde/internal/id"
	"pryde/internal/wire"
)

func TestTheListIsEncodedLikeEverythingElse(t *testing.T) {
	r := roster{at: make(map[id.User]int)}
	for i := range 4 {
		want, err := wire.Encode(r.listed)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.everyone(); string(got) != string(want) {
			t.Errorf("%d people are encoded as %s, want %s", i, got, want)
		}
		stranger, err := wire.Encode(append(r.listed[:i:i], id.User{0: 0xff}))
		if err != nil {
			t.Fatal(err)
		}
		if got := r.seenBy(id.User{0: 0xff}, nil); string(got) != string(stranger) {
			t.Errorf("a person who is not listed sees %s, want %s", got, stranger)
		}
		r.add(id.User{11: byte(i + 1)})
	}
}

func TestWhoIsApartIsLeftOutOfTheList(t *testing.T) {
	r := roster{at: make(map[id.User]int)}
	for i := range maxListed {
		r.add(id.User{9: 1, 10: byte(i >> 8), 11: byte(i)})
	}
	first, stranger := r.listed[0], id.User{0: 0xff}
	all := r.everyone()

	for u, want := range map[id.User][]id.User{
		r.listed[7]: r.listed[1:],
		stranger:    append(slices.Clone(r.listed[1:]), stranger),
	} {
		got, err := wire.Decode[[]id.User](r.seenBy(u, map[id.User]bool{first: true, {0: 1}: true}))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%d people are listed, want %d; error %v", len(got), len(want), err)
		}
	}
	if got := r.seenBy(r.listed[7], map[id.User]bool{{0: 1}: true}); &got[0] != &all[0] {
		t.Error("who is apart from nobody on the list has a list of their own")
	}
}

func TestTheListIsEncodedOncePerChange(t *testing.T) {
	r := roster{at: make(map[id.User]int)}
	for i := range maxListed {
		r.add(id.User{9: 1, 10: byte(i >> 8), 11: byte(i)})
	}
	first := r.everyone()
	r.add(id.User{9: 1, 11: 1})
	r.add(id.User{0: 1}) // finds no place
	r.remove(id.User{0: 2})
	if got := r.everyone(); &got[0] != &first[0] {
		t.Error("the list was encoded again although nothing changed")
	}
	r.remove(id.User{9: 1, 11: 1})
	if got := r.everyone(); len(got) != len(first)-27 {
		t.Errorf("after one has gone it holds %d bytes, want %d", len(got), len(first)-27)
	}
}

func BenchmarkAChangeOfTheList(b *testing.B) {
	for _, n := range []int{10, maxListed} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			r := roster{at: make(map[id.User]int)}
			for i := range n - 1 {
				r.add(id.User{10: byte(i >> 8), 11: byte(i)})
			}
			for b.Loop() {
				r.add(id.User{0: 1})
				r.everyone()
				r.remove(id.User{0: 1})
			}
		})
	}
}
