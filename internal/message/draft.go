package message

import (
	"context"
	"strings"
	"unicode/utf8"

	"pryde/internal/fault"
	"pryde/internal/id"
	"pryde/internal/plaintext"
	"pryde/internal/wire"
)

// draft checks what was sent and gives it its name.
func (s *Service) draft(from id.User, in wire.NewMessage) (Draft, error) {
	switch {
	case in.RecipientID.IsZero() && in.GroupChatID.IsZero():
		return Draft{}, ErrNoRecipient
	case !in.RecipientID.IsZero() && !in.GroupChatID.IsZero():
		return Draft{}, errRecipients
	}
	text, err := content(in.Content)
	if err != nil {
		return Draft{}, err
	}
	extra, err := extra(in)
	if err != nil {
		return Draft{}, err
	}
	attachment := strings.TrimSpace(in.Attachment)
	switch {
	case len(attachment) > MaxAttachment:
		return Draft{}, errAttachment
	case text == "" && attachment == "" && extra.VoiceURL == "":
		return Draft{}, ErrEmpty
	case len(in.TempID) > MaxClientID:
		return Draft{}, errClientID
	}
	d := Draft{
		Sender: from, Recipient: in.RecipientID, Group: in.GroupChatID, Content: text, Attachment: attachment, Extra: extra,
		ReplyTo: in.ReplyTo, ClientID: in.TempID, RepeatWindow: repeatWindow, At: s.now(),
	}
	d.Fingerprint = fingerprint(s.key, d)
	if d.ClientID == "" {
		d.ID = id.New[id.Message](s.ids)
	} else {
		d.ID = id.Derive(s.key[:], from, d.ClientID)
	}
	return d, nil
}

// extra checks what a message has besides its text and its attachment.
func extra(in wire.NewMessage) (Extra, error) {
	var e Extra
	if v := in.VoiceNote; v != nil && *v != (wire.VoiceNote{}) {
		e.VoiceURL, e.VoiceSeconds = strings.TrimSpace(v.URL), v.Duration
		if e.VoiceURL == "" || len(e.VoiceURL) > MaxAttachment || !(v.Duration >= 0 && v.Duration <= MaxVoice) {
			return Extra{}, errVoice
		}
	}
	var err error
	e.Warning, err = cleaned(in.ContentWarning, MaxWarning, errWarning)
	return e, err
}

// content cleans a text and checks its length.
func content(text string) (string, error) { return cleaned(text, MaxContent, ErrTooLong) }

// cleaned makes plain text of what was typed; more characters than longest are the fault.
func cleaned(text string, longest int, tooLong *fault.Fault) (string, error) {
	if text = strings.TrimSpace(text); len(text) > maxRaw {
		return "", tooLong
	}
	text = plaintext.Clean(text)
	if utf8.RuneCountInString(text) > longest {
		return "", tooLong
	}
	return text, nil
}

// uploads returns the paths of what a message may have uploaded.
func uploads(attachment string, e Extra) []string {
	var paths []string
	for _, path := range [...]string{attachment, e.VoiceURL} {
		if strings.HasPrefix(path, "/upload/") {
			paths = append(paths, path)
		}
	}
	return paths
}

// attach gives a draft the files that its paths name.
func (s *Service) attach(ctx context.Context, d Draft) error {
	paths := uploads(d.Attachment, d.Extra)
	if s.files == nil || len(paths) == 0 {
		return nil
	}
	return s.files.Attach(ctx, d.Sender, d.ID, paths...)
}

// link returns the path by which a file can be fetched.
func (s *Service) link(path string) string {
	if s.files == nil || path == "" {
		return path
	}
	return s.files.Link(path)
}
