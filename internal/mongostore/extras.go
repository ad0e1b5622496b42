package mongostore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/order"
	"pryde/internal/seal"
)

// sealExtra seals what a message has besides its text; nothing is no value.
func (s *Store) sealExtra(ctx context.Context, owner id.User, d *messageDoc, e message.Extra) (bson.RawValue, error) {
	text, err := extraText(e)
	if err != nil {
		return bson.RawValue{}, err
	}
	return s.sealText(ctx, owner, textPlace("extra", d), text)
}

// extraText is the text as which it is sealed; empty where there is nothing.
func extraText(e message.Extra) (string, error) {
	if e == (message.Extra{}) {
		return "", nil
	}
	plain, err := json.Marshal(e)
	if err != nil {
		return "", fmt.Errorf("encode the extra of a message: %w", err)
	}
	return string(plain), nil
}

// openExtra opens it. The former system had voice notes, in the clear.
func (s *Store) openExtra(ctx context.Context, d *messageDoc) (e message.Extra, err error) {
	var plain string
	switch {
	case d.Extra.IsZero():
		return s.formerVoice(d), nil
	case isFormer(d.Extra):
		stored, _ := d.Extra.StringValueOK()
		if !s.takesFormer(d.createdAt()) || s.formerKey == nil {
			return e, nil
		}
		plain, _ = s.formerKey.Unseal(stored)
	default:
		if plain, err = s.openText(ctx, textPlace("extra", d), d.Extra); err != nil {
			return e, err
		}
	}
	if err := json.Unmarshal([]byte(plain), &e); err != nil {
		return message.Extra{}, fmt.Errorf("decode the extra of a message: %w", err)
	}
	return e, nil
}

// formerVoice is a voice note of the former system.
func (s *Store) formerVoice(d *messageDoc) (e message.Extra) {
	note, ok := d.VoiceNote.DocumentOK()
	if !ok || !s.takesFormer(d.createdAt()) {
		return e
	}
	e.VoiceURL, _ = note.Lookup("url").StringValueOK()
	e.VoiceSeconds, _ = note.Lookup("duration").AsFloat64OK()
	return e
}

// reactions are the reactions to the message, each once.
func (d *messageDoc) reactions() []message.Reaction {
	var all []message.Reaction
	for _, r := range d.Reactions {
		again := slices.ContainsFunc(all, func(a message.Reaction) bool { return a.User == id.User(r.User) && a.Emoji == string(r.Emoji) })
		if !again && !r.User.IsZero() && r.Emoji != "" {
			all = append(all, message.Reaction{User: id.User(r.User), Emoji: string(r.Emoji), At: utc(r.At)})
		}
	}
	return all
}

// React implements message.Store.
func (s *Store) React(ctx context.Context, m id.Message, r message.Reaction, remove bool) (message.Message, bool, error) {
	known, err := s.find(ctx, m)
	if err != nil {
		return message.Message{}, false, fmt.Errorf("react to a message: %w", unavailable(err))
	}
	return s.change(ctx, "react to a message", known, func(t *tx, d *messageDoc) (order.Seq, error) {
		if seen, err := t.seen(r.User, d); err != nil || !seen {
			return 0, either(err, message.ErrNoMessage)
		}
		if d.IsDeleted {
			return 0, message.ErrGone
		}
		if err := t.unblocked(d); err != nil {
			return 0, err
		}
		theirs := func(x reactionDoc) bool { return x.User == bson.ObjectID(r.User) && string(x.Emoji) == r.Emoji }
		there := slices.ContainsFunc(d.Reactions, theirs)
		switch {
		case there != remove:
			return 0, nil
		case remove:
			d.Reactions = slices.DeleteFunc(slices.Clone(d.Reactions), theirs)
		case len(d.Reactions) >= message.MaxReactions:
			return 0, message.ErrReactions
		default:
			d.Reactions = append(slices.Clip(d.Reactions), reactionDoc{bson.ObjectID(r.User), loose(r.Emoji), whole(r.At)})
		}
		return t.changed(d)
	}, seatNeeds(known, r.User))
}

// keepVersion keeps the content that a message has, before it gets another one. It stays sealed as
// it is, for its place is that of the content.
func (d *messageDoc) keepVersion() {
	v := versionDoc{Content: d.Content, At: d.EditedAt}
	if v.At.IsZero() {
		v.At = d.createdAt()
	}
	d.Versions = append(slices.Clip(d.Versions), v)
	if more := len(d.Versions) - message.MaxVersions; more > 0 {
		d.Versions = d.Versions[more:]
	}
}

// Versions implements message.Store.
func (s *Store) Versions(ctx context.Context, m id.Message) ([]message.Version, error) {
	d, err := s.find(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("read the versions of a message: %w", unavailable(err))
	}
	if _, gone := s.vault.Erased(seal.Owner(d.Sender)); gone || d.IsDeleted {
		return nil, nil
	}
	var all []message.Version
	for _, v := range d.Versions {
		text, err := s.openContent(ctx, d, v.Content)
		if err != nil {
			return nil, fmt.Errorf("read the versions of a message: %w", unavailable(err))
		}
		all = append(all, message.Version{Content: text, At: utc(v.At)})
	}
	return all, nil
}
