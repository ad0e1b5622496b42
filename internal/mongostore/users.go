package mongostore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/id"
	"pryde/internal/people"
	"pryde/internal/seal"
)

var _ people.Store = (*Store)(nil)

const usersName = "users"

// usersCollection has the former system's indexes of names under their old names.
var usersCollection = collection{name: usersName, indexes: []index{
	{keys: bson.D{is("email", 1)}, unique: true},
	{keys: bson.D{is("username", 1)}, unique: true},
	{keys: bson.D{is("usernameKey", 1)}, unique: true, partial: bson.D{is("usernameKey", bson.D{is("$type", "string")})}},
	{keys: bson.D{is("searchKey", 1)}},
}}

// A userDoc is an account as it is stored: fields of the former system, and of our own
// usernameKey, searchKey, passwordEra, revision and details. Many are missing in old documents.
type userDoc struct {
	ID             bson.ObjectID `bson:"_id"`
	Username       string        `bson:"username"`
	Email          string        `bson:"email"`
	EmailVerified  bool          `bson:"emailVerified"`
	Password       string        `bson:"password"`
	PasswordEra    int64         `bson:"passwordEra"`
	Revision       int64         `bson:"revision"`
	DisplayName    *loose        `bson:"displayName"` // nil: that of the username
	ProfilePhoto   loose         `bson:"profilePhoto"`
	Role           loose         `bson:"role"`
	Active         *bool         `bson:"isActive"` // nil: it is
	Deleted        bool          `bson:"isDeleted"`
	Banned         bool          `bson:"isBanned"`
	Suspended      bool          `bson:"isSuspended"` // still set when SuspendedUntil is over
	SuspendedUntil time.Time     `bson:"suspendedUntil"`
	System         bool          `bson:"isSystemAccount"`
	CreatedAt      time.Time     `bson:"createdAt"`
	Privacy        privacyDoc    `bson:"privacySettings"`
	Details        []byte        `bson:"details"` // sealed; nil where they are as in Told
	Told           toldDoc       `bson:",inline"`
}

// accountFields are those of a userDoc: old documents have many more, and long ones.
var accountFields = projection(append([]string{
	"username", "email", "emailVerified", "password", "passwordEra", "revision", "displayName", "profilePhoto", "role",
	"isActive", "isDeleted", "isBanned", "isSuspended", "suspendedUntil", "isSystemAccount", "createdAt", "details",
	"privacySettings.whoCanMessage", "privacySettings.profileVisibility", "privacySettings.isPrivateAccount",
}, toldFields...))

func projection(fields []string) bson.D {
	p := make(bson.D, len(fields))
	for i, f := range fields {
		p[i] = is(f, 1)
	}
	return p
}

// A privacyDoc is what a person has set for others.
type privacyDoc struct {
	WhoCanMessage     string `bson:"whoCanMessage"`
	ProfileVisibility string `bson:"profileVisibility"`
	Private           bool   `bson:"isPrivateAccount"`
}

// audience is who may write to the person: followers where an old document says nothing or
// "friends", which is no more.
func (p privacyDoc) audience() people.Audience {
	switch a := people.Audience(p.WhoCanMessage); a {
	case people.Everyone, people.NoOne:
		return a
	}
	return people.Followers
}

// profile is who may look at the person's profile; empty for everyone.
func (p privacyDoc) profile() people.Audience {
	switch p.ProfileVisibility {
	case "private":
		return people.NoOne
	case "followers", "friends":
		return people.Followers
	}
	if p.Private {
		return people.Followers
	}
	return ""
}

// visibility is how profile is stored.
func visibility(a people.Audience) string {
	switch a {
	case people.Followers:
		return "followers"
	case people.NoOne:
		return "private"
	}
	return "public"
}

// deletedEmail stands in the place of the e-mail address of a deleted account, as in the former
// system. It is as unique as addresses are, and none that anybody can have.
func deletedEmail(u id.User) string { return "deleted_" + u.String() + deletedDomain }

const deletedDomain = "@deleted.local"

func detailsPlace(u id.User) seal.Place {
	return seal.Place{Collection: usersName, Field: "details", Document: u[:]}
}

func byID(u id.User) bson.D { return bson.D{is("_id", bson.ObjectID(u))} }

// CreateAccount implements people.Store. The person's data key is durable before the account
// is.
func (s *Store) CreateAccount(ctx context.Context, a people.Account) error {
	doc, err := s.newUser(ctx, a)
	if err != nil {
		return fmt.Errorf("create account: %w", err)
	}
	name, mail := strings.ToLower(a.Username), strings.ToLower(a.Email)
	if strings.HasSuffix(mail, deletedDomain) {
		return fmt.Errorf("create account: %w", people.ErrEmailTaken)
	}
	return s.writer.do(ctx, "create account", func(t *tx) error {
		for _, taken := range []struct {
			filter bson.D
			err    error
		}{
			{bson.D{is("email", mail)}, people.ErrEmailTaken},
			{bson.D{is("usernameKey", name)}, people.ErrUsernameTaken},
			{bson.D{is("username", a.Username)}, people.ErrUsernameTaken},
		} {
			switch err := t.reading(usersName).FindOne(t.ctx, taken.filter).Err(); {
			case err == nil:
				return taken.err
			case !errors.Is(err, mongo.ErrNoDocuments):
				return err
			}
		}
		_, err := t.collection(usersName).InsertOne(t.ctx, doc)
		return err
	})
}

// newUser is the document of a new account.
func (s *Store) newUser(ctx context.Context, a people.Account) (bson.D, error) {
	told, _, err := s.told(ctx, a)
	if err != nil {
		return nil, err
	}
	doc := append(bson.D{
		is("_id", bson.ObjectID(a.ID)),
		is("username", a.Username),
		is("usernameKey", strings.ToLower(a.Username)),
		is("searchKey", searchKey(a.Username, a.DisplayName)),
		is("email", strings.ToLower(a.Email)),
		is("emailVerified", a.EmailVerified),
		is("password", a.PasswordHash),
		is("passwordEra", a.PasswordEra),
		is("revision", a.Revision),
		is("displayName", a.DisplayName),
		is("profilePhoto", a.ProfilePhoto),
		is("role", a.Role),
		is("isActive", a.Active),
		is("isDeleted", a.Deleted),
		is("isBanned", a.Banned),
		is("isSuspended", !a.SuspendedUntil.IsZero()),
		is("isSystemAccount", a.System),
		is("privacySettings", bson.D{
			is("whoCanMessage", string(people.Everyone)), is("profileVisibility", visibility(a.ProfileAudience)),
		}),
	}, told...)
	for _, at := range []struct {
		field string
		time  time.Time
	}{{"createdAt", a.CreatedAt}, {"suspendedUntil", a.SuspendedUntil}} {
		if !at.time.IsZero() {
			doc = append(doc, is(at.field, whole(at.time)))
		}
	}
	return doc, nil
}

// Account implements people.Store.
func (s *Store) Account(ctx context.Context, u id.User) (people.Account, error) {
	var d userDoc
	err := s.coll(usersName).FindOne(ctx, byID(u), options.FindOne().SetProjection(accountFields)).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		err = people.ErrNoAccount
	}
	var a people.Account
	if err == nil {
		a, err = s.openAccount(ctx, d)
	}
	if err != nil {
		return people.Account{}, fmt.Errorf("find account: %w", unavailable(err))
	}
	return a, nil
}

// AccountByLogin implements people.Store. Where one person's username is another's address, the
// address counts. The former system knew names that differ in case alone: of those the one that
// is written as it was asked for counts.
func (s *Store) AccountByLogin(ctx context.Context, login string) (people.Account, error) {
	folded := strings.ToLower(login)
	var found []userDoc
	c, err := s.coll(usersName).Find(ctx, bson.D{is("$or", bson.A{
		bson.D{is("email", folded)}, bson.D{is("usernameKey", folded)}, bson.D{is("username", login)},
	})}, options.Find().SetProjection(accountFields))
	if err == nil {
		err = c.All(ctx, &found)
	}
	if err == nil && len(found) == 0 {
		err = people.ErrNoAccount
	}
	var a people.Account
	if err == nil {
		a, err = s.openAccount(ctx, meant(found, login, folded))
	}
	if err != nil {
		return people.Account{}, fmt.Errorf("find account: %w", unavailable(err))
	}
	return a, nil
}

func meant(found []userDoc, login, folded string) userDoc {
	best := found[0]
	for _, d := range found {
		if d.Email == folded {
			return d
		}
		if d.Username == login {
			best = d
		}
	}
	return best
}

// openAccount returns the account of a document with its details in the clear. Of a person who was
// erased there are none.
func (s *Store) openAccount(ctx context.Context, d userDoc) (people.Account, error) {
	a := people.Account{
		ID: id.User(d.ID), Username: d.Username, Email: d.Email, EmailVerified: d.EmailVerified, DisplayName: d.Username,
		ProfilePhoto: string(d.ProfilePhoto), PasswordHash: d.Password, PasswordEra: d.PasswordEra, Revision: d.Revision, Role: string(d.Role),
		Active: d.Active == nil || *d.Active, Deleted: d.Deleted, Banned: d.Banned, System: d.System,
		ProfileAudience: d.Privacy.profile(), CreatedAt: utc(d.CreatedAt),
	}
	if d.DisplayName != nil {
		a.DisplayName = string(*d.DisplayName)
	}
	if a.Email == deletedEmail(a.ID) {
		a.Email = ""
	}
	if a.Role == "" {
		a.Role = "user"
	}
	if d.Suspended {
		a.SuspendedUntil = utc(d.SuspendedUntil)
	}
	if _, gone := s.vault.Erased(seal.Owner(a.ID)); gone {
		return a, nil
	}
	if d.Details == nil {
		a.Details = s.formerDetails(d.Told)
		return a, nil
	}
	err := s.openJSON(ctx, detailsPlace(a.ID), d.Details, &a.Details)
	return a, err
}

// UpgradePasswordHash implements people.Store.
func (s *Store) UpgradePasswordHash(ctx context.Context, u id.User, from, to string) error {
	_, err := s.changedOne(ctx, "upgrade password hash", usersName,
		append(byID(u), is("password", from)), set(is("password", to)))
	return err
}

// Reactivate implements people.Store.
func (s *Store) Reactivate(ctx context.Context, u id.User) error {
	found, err := s.changedOne(ctx, "reactivate account", usersName, byID(u),
		set(is("isActive", true), is("deactivatedAt", nil)))
	if err == nil && !found {
		return people.ErrNoAccount
	}
	return err
}

func set(fields ...bson.E) bson.D { return bson.D{is("$set", bson.D(fields))} }

// counted matches a count. One that is missing is 0.
func counted(field string, n int64) bson.E {
	if n == 0 {
		return is(field, bson.D{is("$in", bson.A{0, nil})})
	}
	return is(field, n)
}

// changedOne changes the document that a filter finds and reports whether it found one.
func (s *Store) changedOne(ctx context.Context, what, collection string, filter, change any) (bool, error) {
	found := false
	err := s.writer.do(ctx, what, func(t *tx) error {
		r, err := t.collection(collection).UpdateOne(t.ctx, filter, change)
		if err != nil {
			return err
		}
		found = r.MatchedCount > 0
		return nil
	})
	return err == nil && found, err
}

func (s *Store) sealJSON(ctx context.Context, owner id.User, p seal.Place, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s of %s: %w", p.Field, p.Collection, err)
	}
	return s.sealed(ctx, owner, p, plain)
}

func (s *Store) openJSON(ctx context.Context, p seal.Place, sealed []byte, v any) error {
	plain, err := s.vault.Open(ctx, p, sealed)
	if err != nil {
		return fmt.Errorf("open %s of %s: %w", p.Field, p.Collection, err)
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("decode %s of %s: %w", p.Field, p.Collection, err)
	}
	return nil
}
