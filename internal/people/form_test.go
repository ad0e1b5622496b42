package people_test

import (
	"errors"
	"strings"
	"testing"

	"pryde/internal/fault"
	"pryde/internal/people"
	"pryde/internal/wire"
)

func TestFieldsOfASignUp(t *testing.T) {
	h := open(t)
	for _, c := range []struct {
		name, field string // the field that is wrong
		change      func(*wire.SignUp)
	}{
		{"short full name", "fullName", func(f *wire.SignUp) { f.FullName = " A " }},
		{"full name of markup", "fullName", func(f *wire.SignUp) { f.FullName = "<b>A</b>" }},
		{"long full name", "fullName", func(f *wire.SignUp) { f.FullName = strings.Repeat("é", 101) }},
		{"full name of two lines", "fullName", func(f *wire.SignUp) { f.FullName = "Alice\nLiddell" }},
		{"endless full name", "fullName", func(f *wire.SignUp) { f.FullName = strings.Repeat("<b>", 1<<20) }},
		{"short username", "username", func(f *wire.SignUp) { f.Username = "al" }},
		{"long username", "username", func(f *wire.SignUp) { f.Username = strings.Repeat("a", 31) }},
		{"username with a sign", "username", func(f *wire.SignUp) { f.Username = "al-ice" }},
		{"username of other letters", "username", func(f *wire.SignUp) { f.Username = "аlice" }},
		{"no address", "email", func(f *wire.SignUp) { f.Email = "" }},
		{"address without a domain", "email", func(f *wire.SignUp) { f.Email = "alice@" }},
		{"address without a full stop", "email", func(f *wire.SignUp) { f.Email = "alice@localhost" }},
		{"address with a name", "email", func(f *wire.SignUp) { f.Email = "Alice <alice@example.org>" }},
		{"two addresses", "email", func(f *wire.SignUp) { f.Email = "a@example.org,b@example.org" }},
		{"long address", "email", func(f *wire.SignUp) { f.Email = strings.Repeat("a", 250) + "@example.org" }},
		{"short password", "password", func(f *wire.SignUp) { f.Password = "Aa1!Aa1!Aa1" }},
		{"long password", "password", func(f *wire.SignUp) { f.Password = strings.Repeat("Aa1!", 33) }},
		{"password without upper case", "password", func(f *wire.SignUp) { f.Password = "aaaaaaaaaa1!" }},
		{"password without lower case", "password", func(f *wire.SignUp) { f.Password = "AAAAAAAAAA1!" }},
		{"password without digit", "password", func(f *wire.SignUp) { f.Password = "Aaaaaaaaaaa!" }},
		{"password without special character", "password", func(f *wire.SignUp) { f.Password = "Aaaaaaa 1 aaa" }},
		{"no birthday", "birthday", func(f *wire.SignUp) { f.Birthday = "" }},
		{"birthday that is no day", "birthday", func(f *wire.SignUp) { f.Birthday = "1990-02-30" }},
		{"birthday in words", "birthday", func(f *wire.SignUp) { f.Birthday = "May 4" }},
		{"birthday to come", "birthday", func(f *wire.SignUp) { f.Birthday = "2026-03-02" }},
		{"birthday long ago", "birthday", func(f *wire.SignUp) { f.Birthday = "1875-01-01" }},
		{"long display name", "displayName", func(f *wire.SignUp) { f.DisplayName = strings.Repeat("a", 51) }},
		{"long pronouns", "pronouns", func(f *wire.SignUp) { f.Pronouns = strings.Repeat("a", 51) }},
		{"display name of nothing to see", "displayName", func(f *wire.SignUp) { f.DisplayName = "\u200b\u200b" }},
		{"display name turned around", "displayName", func(f *wire.SignUp) { f.DisplayName = "\u202enimda" }},
		{"full name with a soft hyphen", "fullName", func(f *wire.SignUp) { f.FullName = "Alice Lid\u00addell" }},
		{"username with a space of no width", "username", func(f *wire.SignUp) { f.Username = "ali\u200bce" }},
		{"long bio", "bio", func(f *wire.SignUp) { f.Bio = strings.Repeat("a", 501) }},
		{"long identity", "identity", func(f *wire.SignUp) { f.Identity = strings.Repeat("a", 101) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := form("alice")
			c.change(&in)

			_, err := h.SignUp(t.Context(), in, home)

			sameFault(t, err, fault.Invalid("VALIDATION_FAILED", "Validation failed"))
			rejected, ok := errors.AsType[*people.Rejected](err)
			if !ok || len(rejected.Problems()) != 1 || rejected.Problems()[0].Field != c.field || rejected.Problems()[0].Message == "" {
				t.Errorf("got %+v, want one problem with %s", rejected, c.field)
			}
		})
	}
	if len(h.store.accounts) != 0 {
		t.Errorf("%d accounts were made", len(h.store.accounts))
	}
}

func TestEveryMistakeIsNamed(t *testing.T) {
	_, err := open(t).SignUp(t.Context(), wire.SignUp{}, home)
	rejected, ok := errors.AsType[*people.Rejected](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	var got []string
	for _, p := range rejected.Fields {
		got = append(got, p.Field)
	}
	if want := "fullName username email password birthday"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAFormWithoutABirthdayIsNotThatOfAMinor(t *testing.T) {
	for _, birthday := range []string{"", "May 4", "2026-03-02"} {
		if err := open(t).MayJoin(wire.SignUp{Birthday: birthday}); err != nil {
			t.Errorf("%q: %v", birthday, err)
		}
	}
}

func TestNobodyUnderEighteen(t *testing.T) {
	for birthday, young := range map[string]bool{
		"2008-03-01":                false, // today
		"2008-03-02":                true,
		"2026-03-01":                true,
		"2008-02-29":                false, // the birthday is 1 March
		"1990-05-04":                false,
		"1990-05-04T00:00:00.000Z":  false,
		"2008-03-02T00:00:00.000Z":  true,
		"2008-03-01T23:00:00-05:00": true, // the second in UTC
	} {
		t.Run(birthday, func(t *testing.T) {
			h := open(t)
			in := form("alice")
			in.Birthday = birthday

			_, err := h.SignUp(t.Context(), in, home)
			early := h.MayJoin(in)

			if !young {
				if err != nil || early != nil {
					t.Errorf("refused: %v, %v", err, early)
				}
				return
			}
			sameFault(t, early, people.ErrUnderage)
			sameFault(t, err, people.ErrUnderage)
			if fault.Of(err).Kind != fault.KindForbidden || len(h.store.accounts) != 0 {
				t.Errorf("got %v and %d accounts", err, len(h.store.accounts))
			}
		})
	}
}
