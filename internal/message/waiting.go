package message

import "fmt"

// A Waiting message was acknowledged before it was stored: its place and its time are settled.
// Its text is sealed the way the store that it waits for keeps it.
type Waiting struct {
	Message                 // Content, Attachment and Extra are empty
	ClientID         string // the client's own name for the attempt; empty where it gave none
	SealedContent    []byte // nil where there is no content
	SealedAttachment []byte // nil where there is no attachment
	SealedExtra      []byte // nil where there is none
}

// Undecided is the error of a store that does not know in time whether a message was stored. It
// is stored as it stands here, under this number, or never.
type Undecided struct{ Message Message }

func (u Undecided) Error() string {
	return fmt.Sprintf("it is not known yet whether message %v was stored", u.Message.ID)
}
