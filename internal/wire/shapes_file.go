package wire

import (
	"io"
	"time"
)

// An Upload is a file on its way in. Its size is known when Content ends; whoever reads it says
// where that is too much.
type Upload struct {
	Name    string  // that the client gave it, cut to 255 bytes; it is not to be believed
	Type    string  // the media type that the client said; it is not to be believed
	Seconds float64 // of a voice note, as the client said; 0: nothing was said
	Content io.Reader
}

// Uploaded answers a file that was stored.
type Uploaded struct {
	URL string `json:"url"` // to be sent as the attachment of a message
}

// VoiceUploaded answers a voice note that was stored.
type VoiceUploaded struct {
	URL      string  `json:"url"`
	Duration float64 `json:"duration"` // seconds
}

// A FileQuery asks for a stored file by the URL that was signed for it.
type FileQuery struct {
	Name      string
	Expires   string
	Signature string
}

// A File is a stored file as it is given out.
type File struct {
	Type        string // media type
	Disposition string // Content-Disposition
	Tag         string // the same as long as the file is; without quotes
	Modified    time.Time
	Until       time.Duration // how long a browser may keep it
	Content     io.ReadSeekCloser
}
