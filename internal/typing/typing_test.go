package typing_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/typing"
	"pryde/internal/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	ann, bob, cay = id.User{11: 1}, id.User{11: 2}, id.User{11: 3}
	choir         = id.Group{11: 9}
)

// world says who may write to whom, and remembers what was published.
type world struct {
	*typing.Service
	shut    map[id.User]bool // may not be written to
	blocked map[id.User]bool // with whom ann has a block
	members []id.User        // of the choir

	mu    sync.Mutex
	heard []string
}

func newWorld() *world {
	w := &world{shut: map[id.User]bool{}, blocked: map[id.User]bool{}, members: []id.User{ann, bob, cay}}
	w.Service = typing.New(typing.Options{Publish: w, People: w, Groups: w, Now: time.Now})
	return w
}

func (w *world) MayWrite(_ context.Context, _, to id.User) error {
	if w.shut[to] {
		return fault.Forbidden("NOT_ACCEPTING", "This user is not accepting messages")
	}
	return nil
}

func (w *world) BlockedWith(context.Context, id.User) (map[id.User]bool, error) {
	return w.blocked, nil
}

func (w *world) Members(_ context.Context, u id.User, g id.Group) ([]id.User, error) {
	if g != choir || !slices.Contains(w.members, u) {
		return nil, fault.Forbidden("NOT_A_MEMBER", "Not a member of this group chat")
	}
	return w.members, nil
}

func (w *world) Publish(out ...wire.Outgoing) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range out {
		if !o.Volatile || o.Seq != 0 {
			panic("what is told of writing is volatile and stored nowhere")
		}
		for _, room := range o.Rooms {
			w.heard = append(w.heard, fmt.Sprintf("%s %s %v", room[len(room)-1:], o.Name, o.Payload))
		}
	}
}

// hears returns what was published since it was last asked.
func (w *world) hears() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	heard := w.heard
	w.heard = nil
	return heard
}

func (w *world) say(t *testing.T, in wire.Typed) {
	t.Helper()
	if _, err := w.Say(t.Context(), auth.Identity{User: ann}, in); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: heard %q, want %q", what, got, want)
	}
}

func direct(typing bool) []string {
	word := fmt.Sprint(wire.Typing{UserID: ann, IsTyping: typing})
	return []string{"2 typing " + word, "2 user_typing " + word}
}

func inGroup(typing bool) []string {
	word := fmt.Sprint(wire.GroupTyping{GroupChatID: choir, UserID: ann, IsTyping: typing})
	return []string{"2 group:typing " + word, "3 group:typing " + word}
}

func TestWhoIsWrittenToHearsItByBothNamesUntilItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		defer w.Close()

		w.say(t, wire.Typed{RecipientID: bob, IsTyping: true})
		expect(t, "start", w.hears(), direct(true)...)

		time.Sleep(2 * time.Second)
		w.say(t, wire.Typed{RecipientID: bob, IsTyping: true})
		expect(t, "again", w.hears(), direct(true)...)

		time.Sleep(3*time.Second - time.Nanosecond)
		synctest.Wait()
		expect(t, "before the end", w.hears())
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		expect(t, "the end", w.hears(), direct(false)...)

		time.Sleep(time.Minute)
		synctest.Wait()
		expect(t, "afterwards", w.hears())
	})
}

func TestWhoSaysThatTheyStoppedIsNotSaidToStopAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		defer w.Close()
		w.say(t, wire.Typed{RecipientID: bob, IsTyping: true})
		w.hears()

		w.say(t, wire.Typed{RecipientID: bob})
		expect(t, "stop", w.hears(), direct(false)...)
		time.Sleep(time.Minute)
		synctest.Wait()
		expect(t, "afterwards", w.hears())
	})
}

func TestAGroupHearsItExceptWhoWritesAndIsNotToldTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		defer w.Close()

		for range 10 {
			w.say(t, wire.Typed{GroupChatID: choir, IsTyping: true})
			time.Sleep(50 * time.Millisecond)
		}
		expect(t, "half a second", w.hears(), inGroup(true)...)
		time.Sleep(500 * time.Millisecond)
		w.say(t, wire.Typed{GroupChatID: choir, IsTyping: true})
		expect(t, "a second later", w.hears(), inGroup(true)...)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		expect(t, "the end", w.hears(), inGroup(false)...)
	})
}

func TestWhoComesIntoTheGroupHearsItAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		defer w.Close()
		w.members = []id.User{ann, bob}
		w.say(t, wire.Typed{GroupChatID: choir, IsTyping: true})
		w.hears()

		w.members = []id.User{ann, bob, cay}
		w.say(t, wire.Typed{GroupChatID: choir, IsTyping: true})

		expect(t, "with one more", w.hears(), inGroup(true)...)
	})
}

func TestWhoFallsOutOfTheAudienceHearsTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			name string
			fall func(*world)
		}{
			{"a block", func(w *world) { w.blocked[bob] = true }},
			{"out of the group", func(w *world) { w.members = []id.User{ann, cay} }},
		} {
			for _, still := range []bool{false, true} {
				w := newWorld()
				w.say(t, wire.Typed{GroupChatID: choir, IsTyping: true})
				expect(t, tt.name+": start", w.hears(), inGroup(true)...)

				tt.fall(w)
				w.say(t, wire.Typed{GroupChatID: choir, IsTyping: still})
				want, end := inGroup(false), []string(nil)
				if still {
					want, end = []string{inGroup(false)[0], inGroup(true)[1]}, inGroup(false)[1:]
				}
				expect(t, fmt.Sprint(tt.name, ": still writing: ", still), w.hears(), want...)
				time.Sleep(time.Minute)
				synctest.Wait()
				expect(t, fmt.Sprint(tt.name, ": after it: ", still), w.hears(), end...)
				w.Close()
			}
		}
	})
}

func TestWhoComesIntoTheGroupDoesNotHearTheEndOfWhatTheyDidNotHear(t *testing.T) {
	w := newWorld()
	defer w.Close()
	w.members = []id.User{ann, bob}
	w.say(t, wire.Typed{GroupChatID: choir, IsTyping: true})
	w.hears()

	w.members = []id.User{ann, bob, cay}
	w.say(t, wire.Typed{GroupChatID: choir})

	expect(t, "stop", w.hears(), inGroup(false)[0])
}

func TestWhoDoesNotWriteDoesNotStop(t *testing.T) {
	w := newWorld()
	defer w.Close()

	w.say(t, wire.Typed{GroupChatID: choir})
	w.say(t, wire.Typed{RecipientID: bob})

	expect(t, "stop", w.hears())
}

func TestAGroupIsNotToldTooOftenOfWhoStartsAndStopsInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		defer w.Close()

		for i := range 18 {
			w.say(t, wire.Typed{GroupChatID: choir, IsTyping: i%2 == 0})
			time.Sleep(50 * time.Millisecond)
		}
		expect(t, "within a second", w.hears(), append(inGroup(true), inGroup(false)...)...)

		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		expect(t, "a second later", w.hears())
		w.say(t, wire.Typed{GroupChatID: choir, IsTyping: true})
		expect(t, "again", w.hears(), inGroup(true)...)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		expect(t, "the end", w.hears(), inGroup(false)...)
	})
}

func TestNothingIsToldWhereItMayNotBe(t *testing.T) {
	w := newWorld()
	defer w.Close()
	w.shut[cay], w.blocked[cay] = true, true
	for _, tt := range []struct {
		name string
		in   wire.Typed
		want fault.Kind // empty: no error
	}{
		{"nobody", wire.Typed{IsTyping: true}, fault.KindInvalid},
		{"a person and a group", wire.Typed{RecipientID: bob, GroupChatID: choir, IsTyping: true}, fault.KindInvalid},
		{"who may not be written to", wire.Typed{RecipientID: cay, IsTyping: true}, fault.KindForbidden},
		{"a stop to who may not be written to", wire.Typed{RecipientID: cay}, fault.KindForbidden},
		{"a group of others", wire.Typed{GroupChatID: id.Group{11: 8}, IsTyping: true}, fault.KindForbidden},
		{"oneself", wire.Typed{RecipientID: ann, IsTyping: true}, ""},
	} {
		_, err := w.Say(t.Context(), auth.Identity{User: ann}, tt.in)
		if got := kind(err); got != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		expect(t, tt.name, w.hears())
	}

	w.say(t, wire.Typed{GroupChatID: choir, IsTyping: true})
	expect(t, "across a block in a group", w.hears(), inGroup(true)[:1]...)
	w.members = []id.User{ann}
	w.say(t, wire.Typed{GroupChatID: choir, IsTyping: true})
	expect(t, "alone in a group", w.hears(), inGroup(false)[:1]...)
	w.say(t, wire.Typed{GroupChatID: choir, IsTyping: true})
	expect(t, "still alone in it", w.hears())
}

func kind(err error) fault.Kind {
	if err == nil {
		return ""
	}
	return fault.Of(err).Kind
}

// Who is in a thousand people's view in each of many groups is told of no more at some point,
// and is again when the others have stopped.
func TestWhoHearsOfItIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		defer w.Close()
		for i := range 1_000 {
			w.members = append(w.members, id.User{0: 1, 10: byte(i >> 8), 11: byte(i)})
		}
		told := 0
		for i := range 200 {
			who := id.User{0: 2, 11: byte(i)}
			w.members[0] = who
			if _, err := w.Say(t.Context(), auth.Identity{User: who}, wire.Typed{GroupChatID: choir, IsTyping: true}); err != nil {
				t.Fatal(err)
			}
			if len(w.hears()) > 0 {
				told++
			}
		}
		if told < 100 || told > 131 {
			t.Errorf("of 200 people who write 1,002 others each heard of %d, want those that fit 131,072 rooms", told)
		}

		time.Sleep(3 * time.Second)
		synctest.Wait()
		w.hears()
		w.members[0] = ann
		w.say(t, wire.Typed{GroupChatID: choir, IsTyping: true})
		if len(w.hears()) == 0 {
			t.Error("nothing is told although nobody else writes any more")
		}
	})
}

func TestCloseTellsNobodyAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.say(t, wire.Typed{RecipientID: bob, IsTyping: true})
		w.hears()

		w.Close()
		time.Sleep(time.Minute)
		w.say(t, wire.Typed{RecipientID: bob, IsTyping: true})

		expect(t, "closed", w.hears())
	})
}
