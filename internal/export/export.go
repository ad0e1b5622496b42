// Package export writes everything that the server keeps of a person into a folder: JSON and the
// files that they have sent. It only reads, and knows no particular store.
package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"pryde/internal/auth"
	"pryde/internal/files"
	"pryde/internal/id"
	"pryde/internal/message"
	"pryde/internal/people"
)

// Follows list who follows whom.
type Follows interface {
	// Followed returns whom a person follows, or with by who follows them.
	Followed(ctx context.Context, u id.User, by bool) ([]id.User, error)
}

// Files are those that people have sent.
type Files interface {
	Uploads(ctx context.Context, owner id.User, after files.Name, limit int) ([]files.Upload, error)
	Open(ctx context.Context, u files.Upload) (io.ReadSeekCloser, error)
}

// A Source is where a person is read from.
type Source struct {
	Messages message.Store
	Groups   message.GroupStore
	People   people.Store
	Ties     people.Ties
	Sessions auth.SessionStore
	Follows  Follows
	Files    Files
}

const (
	// page is how many things are in memory at once.
	page = 200
	// maxSessions bounds the list of sessions.
	maxSessions = 1_000
)

// Write writes all that is kept of a person into a folder, which must not be there; only its owner
// can look into it. What was written before an error stays, without about.json, which comes last.
func Write(ctx context.Context, from Source, u id.User, folder string, now time.Time) error {
	if err := os.Mkdir(folder, 0o700); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	for _, sub := range []string{"conversations", "files"} {
		if err := os.Mkdir(filepath.Join(folder, sub), 0o700); err != nil {
			return fmt.Errorf("make the folder: %w", err)
		}
	}
	w := &writer{Source: from, user: u, folder: folder, names: map[id.User]Person{}, about: About{Format: Format, WrittenAt: now.UTC()}}
	for _, step := range []func(context.Context) error{
		w.profile, w.sessions, w.ties, w.drafts, w.direct, w.groups, w.files,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return w.document("about.json", w.about)
}

// A writer writes one person.
type writer struct {
	Source
	user   id.User
	folder string
	names  map[id.User]Person
	about  About
}

// maxNames bounds the people whose names are remembered.
const maxNames = 10_000

// person returns how somebody is shown; by the id alone where they are not there any more.
func (w *writer) person(ctx context.Context, u id.User) (Person, error) {
	if p, ok := w.names[u]; ok {
		return p, nil
	}
	a, err := w.People.Account(ctx, u)
	switch {
	case errors.Is(err, people.ErrNoAccount):
		a = people.Account{}
	case err != nil:
		return Person{}, fmt.Errorf("look up a person: %w", err)
	}
	p := Person{ID: u, Username: a.Username, DisplayName: a.DisplayName}
	if len(w.names) == maxNames {
		clear(w.names)
	}
	w.names[u] = p
	return p, nil
}

func (w *writer) people(ctx context.Context, us []id.User) ([]Person, error) {
	list := make([]Person, len(us))
	for i, u := range us {
		var err error
		if list[i], err = w.person(ctx, u); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (w *writer) profile(ctx context.Context) error {
	a, err := w.People.Account(ctx, w.user)
	if err != nil {
		return fmt.Errorf("read the account: %w", err)
	}
	bonds, err := w.Ties.Bonds(ctx, w.user)
	if err != nil {
		return fmt.Errorf("read the settings: %w", err)
	}
	w.about.Person = Person{ID: a.ID, Username: a.Username, DisplayName: a.DisplayName}
	return w.document("profile.json", Profile{
		Person: w.about.Person, Email: a.Email, EmailVerified: a.EmailVerified, ProfilePhoto: a.ProfilePhoto, Role: a.Role,
		CreatedAt: a.CreatedAt, Active: a.Active, Deleted: a.Deleted, Details: a.Details,
		Settings: Settings{WhoCanMessage: string(bonds.Audience), WhoSeesProfile: string(a.ProfileAudience)},
	})
}

func (w *writer) sessions(ctx context.Context) error {
	found, err := w.Sessions.SessionsOf(ctx, w.user, maxSessions)
	if err != nil {
		return fmt.Errorf("read the sessions: %w", err)
	}
	list := make([]Session, len(found))
	for i, s := range found {
		list[i] = Session{
			CreatedAt: s.CreatedAt, LastActive: s.LastActive, ExpiresAt: s.ExpiresAt, UserAgent: s.Device.UserAgent, Address: s.Device.Address,
		}
	}
	return w.document("sessions.json", list)
}

func (w *writer) ties(ctx context.Context) error {
	blocks, err := w.Ties.Blocks(ctx, w.user)
	if err != nil {
		return fmt.Errorf("read the blocks: %w", err)
	}
	blocked := make([]Block, len(blocks))
	for i, b := range blocks {
		who, err := w.person(ctx, b.Blocked)
		if err != nil {
			return err
		}
		blocked[i] = Block{Person: who, Reason: b.Reason, At: b.CreatedAt}
	}
	if err := w.document("blocks.json", blocked); err != nil {
		return err
	}
	var lists [2][]Person
	for i := range lists {
		us, err := w.Follows.Followed(ctx, w.user, i == 1)
		if err != nil {
			return fmt.Errorf("read the follows: %w", err)
		}
		if lists[i], err = w.people(ctx, us); err != nil {
			return err
		}
	}
	return w.document("follows.json", Followed{Following: lists[0], Followers: lists[1]})
}

func (w *writer) drafts(ctx context.Context) error {
	saved, err := w.Messages.Drafts(ctx, w.user)
	if err != nil {
		return fmt.Errorf("read the drafts: %w", err)
	}
	list := make([]Draft, len(saved))
	for i, d := range saved {
		list[i] = Draft{With: w.other(d.Conversation), Group: d.Conversation.Group, Text: d.Text, ReplyTo: d.ReplyTo, At: d.At}
	}
	return w.document("drafts.json", list)
}

// other is the person with whom a conversation is; zero in a group.
func (w *writer) other(c message.Conversation) id.User {
	if c.IsGroup() {
		return id.User{}
	}
	return c.Other(w.user)
}

// direct writes the conversations with other people, and what is in them.
func (w *writer) direct(ctx context.Context) error {
	return w.list("conversations.json", func(add func(any) error) error {
		for before := (id.Message{}); ; {
			rows, err := w.Messages.Rows(ctx, w.user, before, page)
			if err != nil {
				return fmt.Errorf("read the conversations: %w", err)
			}
			for _, r := range rows.Items {
				if r.Last != nil {
					before = r.Last.ID
				}
				if err := w.conversation(ctx, r, add); err != nil {
					return err
				}
			}
			if !rows.More || len(rows.Items) == 0 {
				return nil
			}
		}
	})
}

func (w *writer) conversation(ctx context.Context, r message.Row, add func(any) error) error {
	with, err := w.person(ctx, r.Peer)
	if err != nil {
		return err
	}
	file := "conversations/" + r.Peer.String() + ".json"
	n, err := w.thread(ctx, file, message.Between(w.user, r.Peer))
	if err != nil {
		return err
	}
	return add(Conversation{
		With: with, Messages: n, File: file, Unread: r.Unread, ReadUpTo: r.ReadUpTo, ConversationSettings: settingsOf(r.Settings),
	})
}

func (w *writer) groups(ctx context.Context) error {
	return w.list("groups.json", func(add func(any) error) error {
		for before := (id.Group{}); ; {
			seats, err := w.Groups.Seats(ctx, w.user, before, page)
			if err != nil {
				return fmt.Errorf("read the groups: %w", err)
			}
			for _, s := range seats.Items {
				before = s.Group.ID
				if err := w.group(ctx, s, add); err != nil {
					return err
				}
			}
			if !seats.More || len(seats.Items) == 0 {
				return nil
			}
		}
	})
}

func (w *writer) group(ctx context.Context, s message.Seat, add func(any) error) error {
	g := Group{
		ID: s.Group.ID, Name: s.Group.Name, Description: s.Group.Description, Avatar: s.Group.Avatar, CreatedAt: s.Group.CreatedAt,
		Unread: s.Unread, ReadUpTo: s.ReadUpTo, ConversationSettings: settingsOf(s.Settings),
	}
	for _, m := range s.Group.Members {
		who, err := w.person(ctx, m.User)
		if err != nil {
			return err
		}
		g.Members = append(g.Members, Member{Person: who, Admin: m.Admin, JoinedAt: m.JoinedAt})
	}
	g.File = "conversations/" + g.ID.String() + ".json"
	var err error
	if g.Messages, err = w.thread(ctx, g.File, message.InGroup(g.ID)); err != nil {
		return err
	}
	return add(g)
}

// thread writes the messages of a conversation that the person can see, newest first, and returns
// how many.
func (w *writer) thread(ctx context.Context, file string, c message.Conversation) (n int, err error) {
	err = w.list(file, func(add func(any) error) error {
		for before := (id.Message{}); ; {
			found, err := w.Messages.PageBefore(ctx, c, w.user, before, page)
			if err != nil {
				return fmt.Errorf("read a conversation: %w", err)
			}
			for _, m := range slices.Backward(found.Items) {
				shown, err := w.message(ctx, m)
				if err != nil {
					return err
				}
				if err := add(shown); err != nil {
					return err
				}
				before = m.ID
				n++
			}
			if !found.More || len(found.Items) == 0 {
				return nil
			}
		}
	})
	w.about.Messages += n
	return n, err
}

func (w *writer) message(ctx context.Context, m message.Message) (Message, error) {
	shown := Message{
		ID: m.ID, From: m.Sender, To: m.Recipient, Group: m.Group, At: m.CreatedAt, EditedAt: m.EditedAt, DeletedAt: m.DeletedAt,
		Content: m.Content, Attachment: m.Attachment, Voice: m.Extra.VoiceURL, VoiceSeconds: m.Extra.VoiceSeconds,
		Warning: m.Extra.Warning, ReplyTo: m.ReplyTo, Read: m.Read,
	}
	for _, r := range m.Reactions {
		shown.Reactions = append(shown.Reactions, Reaction{From: r.User, Emoji: r.Emoji, At: r.At})
	}
	if m.Sender != w.user || m.EditedAt.IsZero() || !m.DeletedAt.IsZero() {
		return shown, nil
	}
	earlier, err := w.Messages.Versions(ctx, m.ID)
	if err != nil {
		return Message{}, fmt.Errorf("read earlier texts: %w", err)
	}
	for _, v := range earlier {
		shown.Earlier = append(shown.Earlier, Version{Content: v.Content, At: v.At})
	}
	return shown, nil
}

// files writes what the person has sent, and a list of it.
func (w *writer) files(ctx context.Context) error {
	return w.list("files.json", func(add func(any) error) error {
		for after := (files.Name{}); ; {
			found, err := w.Files.Uploads(ctx, w.user, after, page)
			if err != nil {
				return fmt.Errorf("read the files: %w", err)
			}
			for _, u := range found {
				after = u.Name
				missing, err := w.file(ctx, u)
				if err != nil {
					return err
				}
				if err := add(File{
					File: "files/" + u.Filename(), Name: u.Name.String(), Kind: string(u.Kind), Type: u.Type, Size: u.Size, At: u.CreatedAt, Missing: missing,
				}); err != nil {
					return err
				}
				w.about.Files++
			}
			if len(found) < page {
				return nil
			}
		}
	})
}

// file copies one file, and reports whether it is not there any more.
func (w *writer) file(ctx context.Context, u files.Upload) (missing bool, err error) {
	content, err := w.Files.Open(ctx, u)
	if errors.Is(err, files.ErrNoUpload) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("read a file: %w", err)
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	return false, w.create("files/"+u.Filename(), func(to io.Writer) error {
		_, err := io.Copy(to, content)
		return err
	})
}
