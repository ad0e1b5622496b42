package storetest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pryde/internal/files"
	"pryde/internal/id"
	"pryde/internal/message"
)

// UploadStores are the parts of an empty database that know of files.
type UploadStores struct {
	Uploads  files.Store
	Messages message.Store
}

// quota is more than the files of any test here have, but for that of the quota.
const quota = 1 << 40

// Uploads tests what is known of files. open returns an empty database that the end of the test
// closes.
func Uploads(t *testing.T, open func(*testing.T) UploadStores) {
	tests := map[string]func(*testing.T, UploadStores){
		"UploadComesBackAsItWasStored":           testUpload,
		"FilesOfAPersonStayWithinTheirQuota":     testQuota,
		"OnlyTheOwnerUsesAFile":                  testUse,
		"AFileIsInSoManyMessagesAndNoMore":       testMaxUses,
		"AFileGoesWithItsLastMessage":            testRelease,
		"AFileGoesWithTheCommitOfTheDeletion":    testReleaseByDeletion,
		"AnOrphanIsDoomedWhenItIsDue":            testOrphan,
		"AMessageThatWasNeverStoredHasNoFiles":   testNeverStored,
		"WhatIsNotDueAnyMoreIsLeftAlone":         testNotDue,
		"DueFilesComeInTheOrderOfTheirTime":      testDue,
		"OnlyDoomedFilesAreForgotten":            testDeleteUpload,
		"AllFilesOfAPersonAreDoomedAtOnce":       testDoomAll,
		"FilesAreListedByNameWithinTheirBorders": testBetween,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func fileName(n int) (f files.Name) {
	f[0], f[14], f[15] = 0x77, byte(n>>8), byte(n)
	return f
}

func upload(n int, owner id.User) files.Upload {
	at := start.Add(time.Duration(n) * time.Second)
	return files.Upload{
		Name: fileName(n), Owner: owner, Kind: files.KindAttachment, Type: "image/png", Size: 1000, Key: []byte{1, 2, byte(n)},
		CreatedAt: at, Due: at.Add(24 * time.Hour),
	}
}

func addUpload(t *testing.T, s files.Store, u files.Upload) files.Upload {
	t.Helper()
	if err := s.AddUpload(t.Context(), u, quota); err != nil {
		t.Fatalf("AddUpload: %v", err)
	}
	return u
}

func findUpload(t *testing.T, s files.Store, n files.Name) files.Upload {
	t.Helper()
	u, err := s.Upload(t.Context(), n)
	if err != nil {
		t.Fatalf("Upload: %v", err)
	}
	return u
}

func useUploads(t *testing.T, s files.Store, owner id.User, m id.Message, due time.Time, names ...files.Name) {
	t.Helper()
	if err := s.UseUploads(t.Context(), owner, m, names, due); err != nil {
		t.Fatalf("UseUploads: %v", err)
	}
}

func settleUpload(t *testing.T, s files.Store, n files.Name, due time.Time) files.Upload {
	t.Helper()
	u, err := s.SettleUpload(t.Context(), n, due)
	if err != nil {
		t.Fatalf("SettleUpload: %v", err)
	}
	same(t, "the settled upload and the stored one", u, findUpload(t, s, n))
	return u
}

// storeMessage stores a message of alice to bob.
func storeMessage(t *testing.T, s message.Store, n int) id.Message {
	t.Helper()
	d := message.Draft{
		ID: messageID(n), Sender: alice, Recipient: bob, Content: "look", Attachment: "/upload/image/x.png",
		Fingerprint: message.Fingerprint{1, byte(n)}, At: start.Add(time.Duration(n) * time.Minute),
	}
	if _, again, err := s.Append(t.Context(), d); err != nil || again {
		t.Fatalf("Append: again %v, error %v", again, err)
	}
	return d.ID
}

func testUpload(t *testing.T, s UploadStores) {
	want := upload(1, alice)
	settled := upload(2, bob)
	settled.Kind, settled.Due, settled.Type, settled.Size = files.KindVoice, time.Time{}, "audio/ogg", 10<<20

	addUpload(t, s.Uploads, want)
	addUpload(t, s.Uploads, settled)

	same(t, "upload", findUpload(t, s.Uploads, want.Name), want)
	same(t, "upload that is not due", findUpload(t, s.Uploads, settled.Name), settled)
	if err := s.Uploads.AddUpload(t.Context(), want, quota); err == nil {
		t.Error("a name was given twice")
	}
	if _, err := s.Uploads.Upload(t.Context(), fileName(3)); !errors.Is(err, files.ErrNoUpload) {
		t.Errorf("an unknown name gave %v, want ErrNoUpload", err)
	}
}

func testQuota(t *testing.T, s UploadStores) {
	add := func(n int, owner id.User, size int64) error {
		u := upload(n, owner)
		u.Size = size
		return s.Uploads.AddUpload(t.Context(), u, 1000)
	}
	used := func(owner id.User) int64 {
		t.Helper()
		n, err := s.Uploads.UploadedBytes(t.Context(), owner)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}

	if err := errors.Join(add(1, alice, 600), add(2, bob, 1000)); err != nil {
		t.Fatal(err)
	}
	if err := add(3, alice, 401); !errors.Is(err, files.ErrQuota) {
		t.Errorf("one byte too many gave %v, want ErrQuota", err)
	}
	if err := add(4, alice, 400); err != nil {
		t.Errorf("the last byte of the quota gave %v", err)
	}
	if got := used(alice); got != 1000 {
		t.Errorf("alice has %d bytes, want 1000", got)
	}
	if err := s.Uploads.DoomUpload(t.Context(), fileName(1), start); err != nil {
		t.Fatal(err)
	}
	if got := used(alice); got != 400 {
		t.Errorf("with a file about to go alice has %d bytes, want 400", got)
	}
	if got := used(carol); got != 0 {
		t.Errorf("who has no files has %d bytes", got)
	}
}

func testUse(t *testing.T, s UploadStores) {
	due := start.Add(48 * time.Hour)
	own, second := addUpload(t, s.Uploads, upload(1, alice)), addUpload(t, s.Uploads, upload(2, alice))
	foreign, doomed := addUpload(t, s.Uploads, upload(3, bob)), addUpload(t, s.Uploads, upload(4, alice))
	if err := s.Uploads.DoomUpload(t.Context(), doomed.Name, start); err != nil {
		t.Fatal(err)
	}

	for what, n := range map[string]files.Name{"somebody else's": foreign.Name, "a doomed": doomed.Name, "an unknown": fileName(9)} {
		if err := s.Uploads.UseUploads(t.Context(), alice, messageID(1), []files.Name{own.Name, n}, due); !errors.Is(err, files.ErrForeign) {
			t.Errorf("%s file: %v, want ErrForeign", what, err)
		}
	}
	same(t, "the other file of a refused message", findUpload(t, s.Uploads, own.Name), own)

	useUploads(t, s.Uploads, alice, messageID(1), due, own.Name, second.Name, own.Name)
	useUploads(t, s.Uploads, alice, messageID(1), due.Add(time.Hour), own.Name)
	own.Due, second.Due = due.Add(time.Hour), due
	same(t, "a file that was named twice", findUpload(t, s.Uploads, own.Name), own)
	same(t, "a file that was named once", findUpload(t, s.Uploads, second.Name), second)
	same(t, "somebody else's file", findUpload(t, s.Uploads, foreign.Name), foreign)
}

func testMaxUses(t *testing.T, s UploadStores) {
	u := addUpload(t, s.Uploads, upload(1, alice))
	for n := range files.MaxUses {
		useUploads(t, s.Uploads, alice, messageID(n), u.Due, u.Name)
	}

	if err := s.Uploads.UseUploads(t.Context(), alice, messageID(files.MaxUses), []files.Name{u.Name}, u.Due); !errors.Is(err, files.ErrForeign) {
		t.Errorf("one message too many: %v, want ErrForeign", err)
	}
	useUploads(t, s.Uploads, alice, messageID(0), u.Due, u.Name)
}

func testRelease(t *testing.T, s UploadStores) {
	alone, shared := addUpload(t, s.Uploads, upload(1, alice)), addUpload(t, s.Uploads, upload(2, alice))
	unused := addUpload(t, s.Uploads, upload(3, alice))
	useUploads(t, s.Uploads, alice, messageID(1), start, alone.Name, shared.Name)
	useUploads(t, s.Uploads, alice, messageID(2), start, shared.Name)
	at := start.Add(time.Hour)

	for range 2 {
		if err := s.Uploads.ReleaseUploads(t.Context(), messageID(1), at); err != nil {
			t.Fatal(err)
		}
	}

	if got := findUpload(t, s.Uploads, alone.Name); !got.Doomed || !got.Due.Equal(at) {
		t.Errorf("the file of a deleted message: doomed %v, due %v; want it doomed and due at %v", got.Doomed, got.Due, at)
	}
	if got := findUpload(t, s.Uploads, shared.Name); got.Doomed {
		t.Error("a file that another message has is doomed")
	}
	same(t, "a file that no message had", findUpload(t, s.Uploads, unused.Name), unused)
	if err := s.Uploads.ReleaseUploads(t.Context(), messageID(2), at); err != nil {
		t.Fatal(err)
	}
	if got := findUpload(t, s.Uploads, shared.Name); !got.Doomed {
		t.Error("the file is not doomed with its last message")
	}
	if err := s.Uploads.ReleaseUploads(t.Context(), messageID(99), at); err != nil {
		t.Errorf("a message without files: %v", err)
	}
}

func testReleaseByDeletion(t *testing.T, s UploadStores) {
	u := addUpload(t, s.Uploads, upload(1, alice))
	m := storeMessage(t, s.Messages, 1)
	useUploads(t, s.Uploads, alice, m, start, u.Name)

	if _, changed, err := s.Messages.DeleteForAll(t.Context(), m, start.Add(time.Hour)); err != nil || !changed {
		t.Fatalf("DeleteForAll: %v, %v", changed, err)
	}

	if got := findUpload(t, s.Uploads, u.Name); !got.Doomed {
		t.Error("the message is deleted, and its file is not doomed")
	}
}

func testOrphan(t *testing.T, s UploadStores) {
	u := addUpload(t, s.Uploads, upload(1, alice))

	if got := settleUpload(t, s.Uploads, u.Name, u.Due); !got.Doomed || got.Due.IsZero() {
		t.Errorf("an orphan is doomed: %v, due at %v; want it doomed and due", got.Doomed, got.Due)
	}
	if _, err := s.Uploads.SettleUpload(t.Context(), fileName(9), start); !errors.Is(err, files.ErrNoUpload) {
		t.Errorf("an unknown name: %v, want ErrNoUpload", err)
	}
}

func testNeverStored(t *testing.T, s UploadStores) {
	due := start.Add(time.Hour)
	never, both, gone := addUpload(t, s.Uploads, upload(1, alice)), addUpload(t, s.Uploads, upload(2, alice)), addUpload(t, s.Uploads, upload(3, alice))
	there := storeMessage(t, s.Messages, 1)
	deleted := storeMessage(t, s.Messages, 2)
	if _, _, err := s.Messages.DeleteForAll(t.Context(), deleted, start); err != nil {
		t.Fatal(err)
	}
	useUploads(t, s.Uploads, alice, messageID(9), due, never.Name, both.Name)
	useUploads(t, s.Uploads, alice, there, due, both.Name)
	useUploads(t, s.Uploads, alice, deleted, due, gone.Name)

	if got := settleUpload(t, s.Uploads, never.Name, due); !got.Doomed {
		t.Error("the file of a message that was never stored is not doomed")
	}
	if got := settleUpload(t, s.Uploads, gone.Name, due); !got.Doomed {
		t.Error("the file of a message that is deleted for all is not doomed")
	}
	if got := settleUpload(t, s.Uploads, both.Name, due); got.Doomed || !got.Due.IsZero() {
		t.Errorf("the file of a stored message: doomed %v, due %v; want neither", got.Doomed, got.Due)
	}
	if err := s.Uploads.ReleaseUploads(t.Context(), there, start); err != nil {
		t.Fatal(err)
	}
	if got := findUpload(t, s.Uploads, both.Name); !got.Doomed {
		t.Error("the message that was never stored holds the file")
	}
}

func testNotDue(t *testing.T, s UploadStores) {
	u := addUpload(t, s.Uploads, upload(1, alice))
	later := u.Due.Add(24 * time.Hour)
	useUploads(t, s.Uploads, alice, messageID(9), later, u.Name)
	u.Due = later

	same(t, "a file that a message took meanwhile", settleUpload(t, s.Uploads, u.Name, u.CreatedAt.Add(24*time.Hour)), u)
}

func testDue(t *testing.T, s UploadStores) {
	for n := range 5 {
		addUpload(t, s.Uploads, upload(n, alice))
	}
	settled := upload(9, alice)
	settled.Due = time.Time{}
	addUpload(t, s.Uploads, settled)
	if err := s.Uploads.DeferUpload(t.Context(), fileName(0), upload(3, alice).Due.Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	due := func(by time.Time, limit int) (names []files.Name) {
		t.Helper()
		list, err := s.Uploads.DueUploads(t.Context(), by, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range list {
			names = append(names, u.Name)
		}
		return names
	}

	same(t, "due before the first", due(upload(1, alice).Due.Add(-time.Millisecond), 10), []files.Name(nil))
	same(t, "due with the second", due(upload(2, alice).Due, 10), []files.Name{fileName(1), fileName(2)})
	same(t, "all", due(start.Add(time.Hour*48), 10), []files.Name{fileName(1), fileName(2), fileName(3), fileName(0), fileName(4)})
	same(t, "the first two of all", due(start.Add(time.Hour*48), 2), []files.Name{fileName(1), fileName(2)})
}

func testDeleteUpload(t *testing.T, s UploadStores) {
	kept, gone := addUpload(t, s.Uploads, upload(1, alice)), addUpload(t, s.Uploads, upload(2, alice))
	useUploads(t, s.Uploads, alice, messageID(1), gone.Due, gone.Name)
	if err := s.Uploads.DoomUpload(t.Context(), gone.Name, start); err != nil {
		t.Fatal(err)
	}

	for _, n := range []files.Name{kept.Name, gone.Name, fileName(9)} {
		if err := s.Uploads.DeleteUpload(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}

	same(t, "a file that is not doomed", findUpload(t, s.Uploads, kept.Name), kept)
	if _, err := s.Uploads.Upload(t.Context(), gone.Name); !errors.Is(err, files.ErrNoUpload) {
		t.Errorf("a forgotten file: %v, want ErrNoUpload", err)
	}
}

func testDoomAll(t *testing.T, s UploadStores) {
	at := start.Add(time.Hour)
	for n := range 3 {
		addUpload(t, s.Uploads, upload(n, alice))
	}
	foreign := addUpload(t, s.Uploads, upload(7, bob))
	m := storeMessage(t, s.Messages, 1)
	useUploads(t, s.Uploads, alice, m, start, fileName(1))

	if err := s.Uploads.DoomUploadsOf(t.Context(), alice, at); err != nil {
		t.Fatal(err)
	}

	for n := range 3 {
		if u := findUpload(t, s.Uploads, fileName(n)); !u.Doomed || !u.Due.Equal(at) {
			t.Errorf("file %d: doomed %v, due %v; want it doomed and due at %v", n, u.Doomed, u.Due, at)
		}
	}
	same(t, "somebody else's file", findUpload(t, s.Uploads, foreign.Name), foreign)
	if list, err := s.Uploads.UploadsOf(t.Context(), alice, files.Name{}, 10); err != nil || len(list) != 0 {
		t.Errorf("the list has %d doomed files (error %v)", len(list), err)
	}
}

func testBetween(t *testing.T, s UploadStores) {
	var all []files.Upload
	for n := range 6 {
		all = append(all, addUpload(t, s.Uploads, upload(n, []id.User{alice, bob}[n%2])))
	}
	if err := s.Uploads.DoomUpload(t.Context(), all[3].Name, start); err != nil {
		t.Fatal(err)
	}
	all[3] = findUpload(t, s.Uploads, all[3].Name)
	slices.SortFunc(all, func(a, b files.Upload) int { return strings.Compare(a.Name.String(), b.Name.String()) })
	list := func(after, last files.Name, limit int) []files.Upload {
		t.Helper()
		list, err := s.Uploads.UploadsBetween(t.Context(), after, last, limit)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}

	same(t, "behind the first, with the last", list(all[0].Name, all[5].Name, 10), all[1:])
	same(t, "up to one of them", list(files.Name{}, all[2].Name, 10), all[:3])
	same(t, "the first two", list(files.Name{}, all[5].Name, 2), all[:2])
	same(t, "none", list(all[5].Name, files.Name{0xff}, 10), []files.Upload(nil))
	own, err := s.Uploads.UploadsOf(t.Context(), alice, all[0].Name, 10)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "alice's behind the first", own, []files.Upload{all[2], all[4]})
}
