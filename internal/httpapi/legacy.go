package httpapi

import (
	"context"
	"net/http"

	"pryde/internal/fault"
	"pryde/internal/wire"
)

// What only former clients need of this door. The golden files in testdata hold it.

var errTwoNames = fault.Invalid("IDEMPOTENCY_MISMATCH", "_tempId and Idempotency-Key differ")

// post takes a message as the former door did, with recipient in place of recipientId, and
// shows the delivery as it did: 201 with the message. A repeat is 200.
func (a *API) post(ctx context.Context, ops Messages, c Call, in wire.PostedMessage) (Answer, error) {
	if key := c.http.Header.Get("Idempotency-Key"); key != "" {
		if in.TempID != "" && in.TempID != key {
			return Answer{}, errTwoNames
		}
		in.TempID = key
	}
	out, err := ops.Send(ctx, c.Who, wire.NewMessage{
		RecipientID: in.Recipient, GroupChatID: in.GroupChatID, Content: in.Content, Attachment: in.Attachment,
		VoiceNote: in.VoiceNote, ContentWarning: in.ContentWarning, ReplyTo: in.ReplyTo, TempID: in.TempID,
	})
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{Body: out.Reply.Message, Before: out.Before, After: out.After}
	if out.Reply.Duplicate {
		answer.Status = http.StatusOK
	}
	return answer, nil
}

// mayBeAbsent reports whether former clients leave out the body of a route that takes this
// shape.
func mayBeAbsent(shape any) bool {
	_, muting := shape.(wire.Muting)
	return muting
}

// A paramError refuses an identifier in a path. Its body says success:false besides.
type paramError struct{ *fault.Fault }

func badParam(name string, err error) error {
	return paramError{fault.Invalid("INVALID_ID", "Invalid "+name+" format").Because(err)}
}

// Unwrap lets the fault be found.
func (e paramError) Unwrap() error { return e.Fault }

// Problems implements Rejected: no field of a form is to blame.
func (paramError) Problems() []wire.FieldProblem { return nil }
