package wire

import (
	"net/http"

	"pryde/internal/limit"
)

// Routes of files.
var (
	PostAttachment = route[None, Uploaded](http.MethodPost, "/api/upload/chat-attachment", Bearer, "Store a picture, a video or a sound, of at most 10 MB.", limited(uploads...), takesFile("file"))
	PostVoiceNote  = route[None, VoiceUploaded](http.MethodPost, "/api/upload/voice-note", Bearer, "Store a voice note, of at most 10 MB. A field duration before it says how many seconds it takes.", limited(uploads...), takesFile("audio"))
	GetImage       = route[None, None](http.MethodGet, "/api/upload/image/{name}", Public, "A stored picture or video.", limitedOnly(files), givesFile)
	GetFile        = route[None, None](http.MethodGet, "/api/upload/file/{name}", Public, "A stored file of another kind.", limitedOnly(files), givesFile)
)

// uploads is what a file on its way in counts against.
var uploads = []Budget{{limit.Upload, PerAddress}, {limit.UploadByUser, PerUser}}

// files is what a file on its way out counts against.
var files = Budget{limit.File, PerAddress}

// takesFile declares that the body is multipart/form-data, with a file in a field.
func takesFile(field string) func(*RouteSpec) {
	return func(s *RouteSpec) { s.FileField = field }
}

// givesFile declares that the answer is a file, for whoever shows the URL that was signed for
// it.
func givesFile(s *RouteSpec) {
	s.GivesFile = true
	query("expires", "When the URL ends.")(s)
	query("signature", "What the server signed it with.")(s)
}
