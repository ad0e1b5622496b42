// Package files takes the files that people send, keeps them sealed, and hands them out to
// whoever shows a link that the server has signed. What a file is follows from its content, never
// from what its sender says; pictures are made anew, so that nothing but their pixels stays. It
// knows neither HTTP nor a database, and of messages only their ids.
package files

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/seal"
)

// MaxBytes is the size of the largest file that is taken.
const MaxBytes = 10 << 20

// MaxUses is how many messages one file may be in.
const MaxUses = 500

// nameSize is the length of a name in bytes: nobody guesses one.
const nameSize = 16

// A Name names a file for ever. It is random.
type Name [nameSize]byte

// String writes the name as 32 lower-case hexadecimal digits.
func (n Name) String() string { return hex.EncodeToString(n[:]) }

// A Kind says what a file was uploaded as.
type Kind string

// The kinds of files.
const (
	KindAttachment Kind = "attachment"
	KindVoice      Kind = "voice"
)

// An Upload is what is known of a stored file.
type Upload struct {
	Name      Name
	Owner     id.User
	Kind      Kind
	Type      string // media type, one of those that are taken
	Size      int64  // bytes, unsealed
	Key       []byte // of the file; sealed with the key of the owner, at KeyPlace
	CreatedAt time.Time
	// Due is when the sweep looks at it: a file that no message has is removed then. Zero where it
	// need not be looked at.
	Due time.Time
	// Doomed is set where the file is about to be removed. Nobody gets it any more.
	Doomed bool
}

// Filename returns a harmless name for the file on somebody's disk.
func (u Upload) Filename() string { return u.Name.String() + "." + extension(u.Type) }

// KeyPlace is where the key of a file is kept.
func KeyPlace(n Name) seal.Place {
	return seal.Place{Collection: "uploads", Field: "key", Document: n[:]}
}

// Refusals of a file.
var (
	ErrNoFile    = fault.Invalid("MISSING_FILE", "No file uploaded")
	ErrTooLarge  = fault.TooLarge("FILE_TOO_LARGE", fmt.Sprintf("The file is larger than %d MB", MaxBytes>>20))
	ErrType      = fault.Invalid("UNSUPPORTED_FILE_TYPE", "Only pictures (JPEG, PNG, GIF, WebP), videos (MP4, WebM, Ogg, MOV) and sounds can be sent")
	ErrDamaged   = fault.Invalid("DAMAGED_FILE", "The file is damaged or incomplete")
	ErrPixels    = fault.TooLarge("IMAGE_TOO_LARGE", fmt.Sprintf("The picture is too large: at most %d megapixels can be sent", maxPixels/1_000_000))
	ErrQuota     = fault.Forbidden("STORAGE_QUOTA_EXCEEDED", "You have no room for more files. Delete messages with files to make room")
	ErrBusy      = fault.Unavailable("UPLOADS_BUSY", "Too many files at once, please try again", 5*time.Second)
	ErrNoSpace   = fault.Unavailable("STORAGE_FULL", "The server has no room for files right now. Please try again later", time.Minute)
	ErrNoUpload  = fault.NotFound("FILE_NOT_FOUND", "File not found")
	ErrLink      = fault.Forbidden("INVALID_LINK", "This link is not valid, or no longer")
	ErrForeign   = fault.Invalid("INVALID_ATTACHMENT", "Invalid attachment")
	errUnread    = fault.Invalid("INVALID_DATA", "The file could not be read")
	errStorage   = fault.Unavailable("STORE_UNAVAILABLE", "The server cannot reach its files right now. Please try again.", 5*time.Second)
	errNotVoice  = fault.Invalid("UNSUPPORTED_FILE_TYPE", "A voice note is a sound")
	errUnplaying = fault.Invalid("UNSUPPORTED_FILE_TYPE", "Animated WebP pictures cannot be sent")
)

// A Store keeps what is known of files. Its methods are safe for concurrent use and atomic. Times
// come back in UTC with milliseconds.
type Store interface {
	// AddUpload stores a new upload. It is ErrQuota where the files of its owner would have more
	// than quota bytes together.
	AddUpload(ctx context.Context, u Upload, quota int64) error
	// Upload returns an upload, those included that are doomed, or ErrNoUpload.
	Upload(ctx context.Context, n Name) (Upload, error)
	// UploadedBytes returns how many bytes the files of a person have together.
	UploadedBytes(ctx context.Context, owner id.User) (int64, error)
	// UploadsOf returns the uploads of a person behind a name, by name, doomed ones left out.
	UploadsOf(ctx context.Context, owner id.User, after Name, limit int) ([]Upload, error)
	// UseUploads says that a message has these files, all or none: ErrForeign where one is not
	// there, is somebody else's, is doomed or is in MaxUses other messages. They are due at due.
	// What the message has already changes nothing but that.
	UseUploads(ctx context.Context, owner id.User, m id.Message, names []Name, due time.Time) error
	// ReleaseUploads says that a message is gone. Files that no other message has are doomed.
	ReleaseUploads(ctx context.Context, m id.Message, at time.Time) error
	// DoomUploadsOf dooms all files of a person.
	DoomUploadsOf(ctx context.Context, owner id.User, at time.Time) error
	// DoomUpload dooms one file.
	DoomUpload(ctx context.Context, n Name, at time.Time) error
	// DueUploads returns uploads that are due by a time, doomed ones included, the longest due
	// first.
	DueUploads(ctx context.Context, by time.Time, limit int) ([]Upload, error)
	// SettleUpload decides about a file that is due, and returns it as it is then, or ErrNoUpload:
	// messages that are not stored, or deleted for all, no longer have it; it is doomed where none
	// has it, and due no more where one has. A file whose due is not due any more is left as it
	// is.
	SettleUpload(ctx context.Context, n Name, due time.Time) (Upload, error)
	// DeferUpload makes a file due at another time.
	DeferUpload(ctx context.Context, n Name, due time.Time) error
	// DeleteUpload forgets a doomed upload. One that is not doomed stays.
	DeleteUpload(ctx context.Context, n Name) error
	// UploadsBetween returns the uploads behind after and up to last, by name.
	UploadsBetween(ctx context.Context, after, last Name, limit int) ([]Upload, error)
}

// ErrNoObject is what Objects says of a key that has no object.
var ErrNoObject = errors.New("there is no such object")

// Objects keeps the sealed content of files under keys: lower-case letters, digits and slashes.
// Its methods are safe for concurrent use. ErrNoSpace is their error where a disk or a bucket is
// full; the others are internal.
type Objects interface {
	// Put stores size bytes, durably when it returns: whole, or not at all.
	Put(ctx context.Context, key string, content io.Reader, size int64) error
	// Open returns an object, or ErrNoObject. ctx is that of what is read from it, too.
	Open(ctx context.Context, key string) (Object, error)
	// Delete removes an object; that there is none is no error.
	Delete(ctx context.Context, key string) error
	// List returns objects whose keys begin with prefix and come after a key, by key.
	List(ctx context.Context, prefix, after string, limit int) ([]Listed, error)
}

// An Object is the sealed content of a file.
type Object interface {
	// From returns what lies behind an offset, to the end. It must be closed.
	From(offset int64) (io.ReadCloser, error)
	Close() error
}

// A Listed is an object in a list.
type Listed struct {
	Key      string
	Modified time.Time
}
