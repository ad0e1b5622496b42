package mongostore

import (
	"context"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/people"
)

// A toldDoc is what a person told the former system of themselves. It encrypted birthday,
// pronouns and gender, in old documents they may be anything.
type toldDoc struct {
	FullName       loose         `bson:"fullName"`
	Birthday       bson.RawValue `bson:"birthday"`
	Nickname       loose         `bson:"nickname"`
	Pronouns       bson.RawValue `bson:"pronouns"`
	CustomPronouns loose         `bson:"customPronouns"`
	Gender         bson.RawValue `bson:"gender"`
	CustomGender   loose         `bson:"customGender"`
	CoverPhoto     loose         `bson:"coverPhoto"`
	Bio            loose         `bson:"bio"`
	Location       loose         `bson:"location"`
	Website        loose         `bson:"website"`
	Identity       loose         `bson:"identity"`
}

// A loose text is empty where the former system left something else than a text.
type loose string

// UnmarshalBSONValue implements bson.ValueUnmarshaler.
func (l *loose) UnmarshalBSONValue(kind byte, value []byte) error {
	text, _ := (bson.RawValue{Type: bson.Type(kind), Value: value}).StringValueOK()
	*l = loose(text)
	return nil
}

// toldFields are the fields of a toldDoc.
var toldFields = []string{
	"fullName", "birthday", "nickname", "pronouns", "customPronouns", "gender", "customGender", "coverPhoto", "bio", "location",
	"website", "identity",
}

// formerDetails returns what a person told the former system.
func (s *Store) formerDetails(d toldDoc) people.Details {
	return people.Details{
		FullName: string(d.FullName), Birthday: s.formerBirthday(d.Birthday), Nickname: string(d.Nickname),
		Pronouns: s.formerSecret(d.Pronouns), CustomPronouns: string(d.CustomPronouns),
		Gender: s.formerSecret(d.Gender), CustomGender: string(d.CustomGender),
		CoverPhoto: string(d.CoverPhoto), Bio: string(d.Bio), Location: string(d.Location), Website: string(d.Website), Identity: string(d.Identity),
	}
}

// formerSecret opens a text that the former system encrypted. One layer, where that is enough:
// whoever pastes a sealed text must not read it.
func (s *Store) formerSecret(v bson.RawValue) string {
	stored, ok := v.StringValueOK()
	if !ok {
		return ""
	}
	if s.formerKey == nil {
		return stored
	}
	if text, ok := s.formerKey.Unseal(stored); ok {
		return text
	}
	return s.formerKey.Open(stored)
}

// formerBirthday reads a day, which is a date or the encrypted text of one.
func (s *Store) formerBirthday(v bson.RawValue) string {
	if at, ok := v.TimeOK(); ok {
		return at.UTC().Format(time.DateOnly)
	}
	day, _, _ := strings.Cut(s.formerSecret(v), "T")
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		return ""
	}
	return day
}

// told returns how what a person tells of themselves is stored, and which fields go.
func (s *Store) told(ctx context.Context, a people.Account) (fields bson.D, gone []string, err error) {
	if s.legacy {
		return s.toldAsBefore(a.Details), []string{"details"}, nil
	}
	sealed, err := s.sealJSON(ctx, a.ID, detailsPlace(a.ID), a.Details)
	return bson.D{is("details", sealed)}, toldFields, err
}

// toldAsBefore returns the fields of a toldDoc as the former system writes them.
func (s *Store) toldAsBefore(d people.Details) bson.D {
	birthday := d.Birthday
	if birthday != "" {
		birthday += "T00:00:00.000Z"
	}
	return bson.D{
		is("fullName", d.FullName),
		is("birthday", s.formerKey.Seal(birthday)),
		is("nickname", d.Nickname),
		is("pronouns", s.formerKey.Seal(d.Pronouns)),
		is("customPronouns", d.CustomPronouns),
		is("gender", s.formerKey.Seal(d.Gender)),
		is("customGender", d.CustomGender),
		is("coverPhoto", d.CoverPhoto),
		is("bio", d.Bio),
		is("location", d.Location),
		is("website", d.Website),
		is("identity", d.Identity),
	}
}
