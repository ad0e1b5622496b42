package message_test

import (
	"fmt"
	"slices"
	"testing"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/wire"
)

func TestTheAuthorAloneSeesEarlierTexts(t *testing.T) {
	w := newWorld(t)
	g := w.group(t, ann, bob)
	for what, to := range map[string]wire.NewMessage{"to a person": {RecipientID: bob.User}, "in a group": {GroupChatID: g}} {
		t.Run(what, func(t *testing.T) {
			to.Content = "one"
			m := w.mustSend(t, ann, to).Message
			if got, err := w.History(t.Context(), ann, m.ID); err != nil || len(got) != 0 {
				t.Errorf("before an edit %+v, %v", got, err)
			}
			w.mustEdit(t, ann, m.ID, "two")
			w.mustEdit(t, ann, m.ID, "three")

			if got := history(t, w, ann, m.ID); !slices.Equal(got, []string{"one", "two"}) {
				t.Errorf("earlier texts %q", got)
			}
			_, err := w.History(t.Context(), bob, m.ID)
			wantFault(t, err, "NOT_AUTHORIZED")
			_, err = w.History(t.Context(), eve, m.ID)
			wantFault(t, err, "MESSAGE_NOT_FOUND")
			w.mustDelete(t, ann, m.ID, true)
			if got := history(t, w, ann, m.ID); len(got) != 0 {
				t.Errorf("of what is deleted for all %q are left", got)
			}
		})
	}
}

func TestTheNewestTwentyEarlierTextsAreKept(t *testing.T) {
	w := newWorld(t)
	m := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "0"}).Message
	for i := range 25 {
		w.mustEdit(t, ann, m.ID, fmt.Sprint(i+1))
	}

	if got := history(t, w, ann, m.ID); len(got) != 20 || got[0] != "5" || got[19] != "24" {
		t.Errorf("earlier texts %q, want 5 to 24", got)
	}
}

func history(t *testing.T, w *world, who auth.Identity, of id.Message) []string {
	t.Helper()
	versions, err := w.History(t.Context(), who, of)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, v := range versions {
		if v.At.IsZero() {
			t.Errorf("%q was shown from nowhen on", v.Content)
		}
		out = append(out, v.Content)
	}
	return out
}
