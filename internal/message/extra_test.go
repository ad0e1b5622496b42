package message_test

import (
	"math"
	"strings"
	"testing"

	"pryde/internal/message"
	"pryde/internal/wire"
)

func TestAVoiceNoteIsAMessageByItself(t *testing.T) {
	w := newWorld(t)
	note := &wire.VoiceNote{URL: " /upload/file/a.ogg ", Duration: 12.5}

	w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, VoiceNote: note})

	want := wire.VoiceNote{URL: "/upload/file/a.ogg", Duration: 12.5}
	if got := w.thread(t, bob, ann.User); len(got) != 1 || got[0].VoiceNote == nil || *got[0].VoiceNote != want || got[0].Content != "" {
		t.Errorf("thread %+v, want %+v", got, want)
	}
	if got := w.row(t, bob).LastMessage; got.VoiceNote == nil || *got.VoiceNote != want {
		t.Errorf("the list shows %+v", got)
	}
}

func TestWhatAVoiceNoteIs(t *testing.T) {
	w := newWorld(t)
	for what, note := range map[string]wire.VoiceNote{
		"no url":           {Duration: 1},
		"white space":      {URL: " ", Duration: 1},
		"2,049 bytes":      {URL: strings.Repeat("a", 2_049), Duration: 1},
		"less than none":   {URL: "/a.ogg", Duration: -1},
		"more than 1 hour": {URL: "/a.ogg", Duration: 3_600.1},
		"no number":        {URL: "/a.ogg", Duration: math.NaN()},
		"without end":      {URL: "/a.ogg", Duration: math.Inf(1)},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := w.send(ann, wire.NewMessage{RecipientID: bob.User, Content: "hi", VoiceNote: &note})
			wantFault(t, err, "INVALID_VOICE_NOTE")
		})
	}
	for _, note := range []*wire.VoiceNote{nil, {}} {
		_, err := w.send(ann, wire.NewMessage{RecipientID: bob.User, VoiceNote: note})
		wantFault(t, err, "EMPTY_MESSAGE")
	}
	for _, d := range []float64{0, 3_600} {
		if _, err := w.send(ann, wire.NewMessage{RecipientID: bob.User, VoiceNote: &wire.VoiceNote{URL: "/a.ogg", Duration: d}}); err != nil {
			t.Errorf("%v seconds: %v", d, err)
		}
	}
}

func TestAContentWarningIsCleanedAndShort(t *testing.T) {
	w := newWorld(t)

	w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "boo", ContentWarning: " <b>scary</b> & loud "})
	w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "boo", ContentWarning: strings.Repeat("é", 50)})
	w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "boo", ContentWarning: "<b></b>"})
	for _, long := range []string{strings.Repeat("é", 51), strings.Repeat("a", 1<<20)} {
		_, err := w.send(ann, wire.NewMessage{RecipientID: bob.User, Content: "boo", ContentWarning: long})
		wantFault(t, err, "CONTENT_WARNING_TOO_LONG")
	}
	_, err := w.send(ann, wire.NewMessage{RecipientID: bob.User, ContentWarning: "nothing"})
	wantFault(t, err, "EMPTY_MESSAGE")

	got := w.thread(t, bob, ann.User)
	if *got[0].ContentWarning != "scary & loud" || *got[1].ContentWarning != strings.Repeat("é", 50) || got[2].ContentWarning != nil {
		t.Errorf("warnings %v, %v, %v", got[0].ContentWarning, got[1].ContentWarning, got[2].ContentWarning)
	}
	m := got[0]
	w.mustDelete(t, ann, m.ID, true)
	if got := w.thread(t, bob, ann.User)[0]; got.ContentWarning != nil || got.VoiceNote != nil {
		t.Errorf("what is deleted for all shows %+v", got)
	}
}

// The fingerprints of plain messages to people are what they were before there was more, so that
// a retry is known across an upgrade.
func TestTheFingerprintOfAPlainMessageStays(t *testing.T) {
	w := newWorld(t)
	m := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "hi", Attachment: "/a.png"}).Message

	stored, err := w.store.Message(t.Context(), m.ID)

	want := message.Fingerprint{0xc5, 0x68, 0xf4, 0x28, 0xb0, 0x00, 0xf3, 0xee, 0xc6, 0xfd, 0xbe, 0x26, 0x8f, 0xf2, 0x76, 0x19}
	if err != nil || stored.Fingerprint != want {
		t.Errorf("fingerprint %x, %v; want %x", stored.Fingerprint, err, want)
	}
}

func TestTheFingerprintCoversEverything(t *testing.T) {
	w := newWorld(t)
	g, other := w.group(t, ann, bob), w.group(t, ann, bob)
	of := w.mustSend(t, ann, wire.NewMessage{RecipientID: bob.User, Content: "of"}).Message
	seen := map[message.Fingerprint]string{}
	for what, in := range map[string]wire.NewMessage{
		"plain":    {RecipientID: bob.User, Content: "hi"},
		"group":    {GroupChatID: g, Content: "hi"},
		"another":  {GroupChatID: other, Content: "hi"},
		"warning":  {RecipientID: bob.User, Content: "hi", ContentWarning: "x"},
		"other":    {RecipientID: bob.User, Content: "hi", ContentWarning: "y"},
		"reply":    {RecipientID: bob.User, Content: "hi", ReplyTo: of.ID},
		"voice":    {RecipientID: bob.User, Content: "hi", VoiceNote: &wire.VoiceNote{URL: "x", Duration: 1}},
		"longer":   {RecipientID: bob.User, Content: "hi", VoiceNote: &wire.VoiceNote{URL: "x", Duration: 2}},
		"attached": {RecipientID: bob.User, Content: "hi", Attachment: "x", ContentWarning: "x"},
		"moved":    {RecipientID: bob.User, Content: "hix", ContentWarning: "x"},
	} {
		m, err := w.store.Message(t.Context(), w.mustSend(t, ann, in).Message.ID)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[m.Fingerprint]; ok {
			t.Errorf("%s has the fingerprint of %s", what, other)
		}
		seen[m.Fingerprint] = what
	}
}
