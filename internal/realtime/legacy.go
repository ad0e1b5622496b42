package realtime

import (
	"time"

	"pryde/internal/fault"
	"pryde/internal/wire"
)

// What only former clients need of this door. The golden files in testdata hold it.

// maxTempID is the longest name that a refusal repeats, in bytes.
const maxTempID = 128

var errMessageData = fault.Invalid("INVALID_DATA", "Invalid message data")

// wellFormed refuses a message that is no object with the text that former clients show.
func wellFormed(spec *wire.EventSpec, payload []byte) error {
	if spec == wire.SendMessage.Spec() && payload[0] != '{' {
		return errMessageData
	}
	return nil
}

// failure is the body that tells of a refused event. Former clients read error in one place
// and message in another, and find the row of a refused message by its _tempId.
func failure(f *fault.Fault, payload []byte, now time.Time) wire.Failure {
	return wire.Failure{Error: f.Text, Message: f.Text, Code: f.Code, Timestamp: now, TempID: tempID(payload)}
}

// tempID returns the client's name for a refused attempt where it can be read.
func tempID(payload []byte) string {
	in, err := wire.Decode[struct {
		TempID string `json:"_tempId"`
	}](payload)
	if err != nil || len(in.TempID) > maxTempID {
		return ""
	}
	return in.TempID
}
