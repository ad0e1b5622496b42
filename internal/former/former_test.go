package former_test

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/quick"

	"pryde/internal/former"
)

const (
	nonce   = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
	tag     = "34792a4f104cdf3313e3592c86edce5f"
	body    = "62c64fd077e1ed26b1e77bd4cdf61138"
	greeted = "Hello, Pryde ✨"
)

var (
	counting = key("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	// dataKey sealed the messages in the old database of the tests.
	dataKey = key("7f3a9c1e5d2b8f60417ae9d3c5b1082f96e4d7a3b0c8f152e6d94b7a3c10f8e5")
)

func key(digits string) *former.Key {
	raw, err := hex.DecodeString(digits)
	if err != nil {
		panic(err)
	}
	return former.NewKey([former.KeySize]byte(raw))
}

func document(iv, tag, data string) string {
	return fmt.Sprintf(`{"iv":%q,"authTag":%q,"encryptedData":%q}`, iv, tag, data)
}

func TestOpen(t *testing.T) {
	otherTag := strings.Repeat("00", 16)
	salt := strings.Repeat("5a", 64)
	for _, tt := range []struct{ name, stored, want string }{
		{"form 1", nonce + tag + body, greeted},
		{"form 1 in upper case", strings.ToUpper(nonce + tag + body), greeted},
		{"form 1 in mixed case", nonce + tag + strings.ToUpper(body), greeted},
		{"form 2", salt + nonce + tag + body, greeted},
		{"form 4", document(nonce, tag, body), greeted},
		{"form 4 in upper case", document(strings.ToUpper(nonce), tag, body), greeted},
		{"form 4 with a field more", `{"v":1,"iv":"` + nonce + `","authTag":"` + tag + `","encryptedData":"` + body + `"}`, greeted},
		{"form 1 in form 1", counting.Seal(nonce + tag + body), greeted},
		{"form 4 in form 1", counting.Seal(document(nonce, tag, body)), greeted},
		{"form 4 in form 1 in form 1", counting.Seal(counting.Seal(document(nonce, tag, body))), greeted},
		{"form 2 in form 1", counting.Seal(salt + nonce + tag + body), greeted},

		{"empty", "", ""},
		{"plain", "if a<b then {c}", "if a<b then {c}"},
		{"plain digits, too short", strings.Repeat("0", 64), strings.Repeat("0", 64)},
		{"plain digits, odd", strings.Repeat("a", 195), strings.Repeat("a", 195)},
		{"plain digits, long", strings.Repeat("AB", 2500), strings.Repeat("AB", 2500)},
		{"form 1, damaged", nonce + otherTag + body, nonce + otherTag + body},
		{"form 1, cut", nonce + tag + body[:30], nonce + tag + body[:30]},
		{"form 2, damaged", salt + nonce + otherTag + body, salt + nonce + otherTag + body},
		{"form 4, damaged", document(nonce, otherTag, body), former.Unreadable},
		{"form 4, cut", document(nonce, tag, body)[:100], document(nonce, tag, body)[:100]},
		{"JSON that somebody typed", `{"iv":"no"}`, `{"iv":"no"}`},
		{"JSON with other types", `{"iv":1,"authTag":[],"encryptedData":{}}`, `{"iv":1,"authTag":[],"encryptedData":{}}`},
		{"JSON with a short nonce", document("a0", tag, body), document("a0", tag, body)},
		{"damaged form 4 in form 1 is what was typed", counting.Seal(document(nonce, otherTag, body)), document(nonce, otherTag, body)},
		{"digits in form 1", counting.Seal(strings.Repeat("ab", 200)), strings.Repeat("ab", 200)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := counting.Open(tt.stored); got != tt.want {
				t.Errorf("Open(%.80q) = %q, want %q", tt.stored, got, tt.want)
			}
		})
	}
}

func TestOpenParts(t *testing.T) {
	for _, tt := range []struct{ name, iv, tag, data, want string }{
		{"form 3", nonce, tag, body, greeted},
		{"in upper case", strings.ToUpper(nonce), strings.ToUpper(tag), strings.ToUpper(body), greeted},
		{"another tag", nonce, strings.Repeat("00", 16), body, former.Unreadable},
		{"no digits", "x", "y", "z", former.Unreadable},
		{"fields missing", "", "", "", former.Unreadable},
		{"short tag", nonce, tag[:24], body, former.Unreadable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := counting.OpenParts(tt.iv, tt.tag, tt.data); got != tt.want {
				t.Errorf("OpenParts = %q, want %q", got, tt.want)
			}
		})
	}
}

// TestOldMessages opens every message of a database that the former system left.
func TestOldMessages(t *testing.T) {
	opened := make(map[string]string)
	lines(t, "messages.jsonl", func(line []byte) {
		var m struct {
			ID struct {
				OID string `json:"$oid"`
			} `json:"_id"`
			Content json.RawMessage
		}
		decode(t, line, &m)
		opened[m.ID.OID] = openJSON(t, m.Content)
	})

	formats := make(map[string]int)
	lines(t, "plain.jsonl", func(line []byte) {
		var p struct {
			ID        string `json:"_id"`
			Format    string
			Plaintext *string
		}
		decode(t, line, &p)
		formats[p.Format]++
		got, found := opened[p.ID]
		switch {
		case !found:
			t.Errorf("message %s is missing", p.ID)
		case p.Plaintext != nil && got != *p.Plaintext:
			t.Errorf("message %s of format %s: got %q, want %q", p.ID, p.Format, got, *p.Plaintext)
		case p.Plaintext == nil && got == "":
			t.Errorf("message %s of format %s shows nothing", p.ID, p.Format)
		case (p.Format == "wrong-key-3" || p.Format == "wrong-key-4") && got != former.Unreadable:
			t.Errorf("message %s of format %s shows %q", p.ID, p.Format, got)
		}
	})
	if len(formats) < 14 || len(opened) != 500 {
		t.Errorf("%d messages of formats %v, want 500 of 14 formats", len(opened), formats)
	}
}

// openJSON opens content as it stands in Extended JSON: a string or a document of form 3.
func openJSON(t *testing.T, raw json.RawMessage) string {
	if raw[0] != '{' {
		var s string
		decode(t, raw, &s)
		return dataKey.Open(s)
	}
	var p struct{ IV, AuthTag, EncryptedData string }
	decode(t, raw, &p)
	return dataKey.OpenParts(p.IV, p.AuthTag, p.EncryptedData)
}

func TestSealedIsOfFormOne(t *testing.T) {
	sealed := counting.Seal(greeted)

	if want := 2 * (16 + 16 + len(greeted)); len(sealed) != want || strings.ToLower(sealed) != sealed {
		t.Errorf("sealed as %q, want %d lower-case digits", sealed, want)
	}
	if again := counting.Seal(greeted); again == sealed {
		t.Error("two texts were sealed with one nonce")
	}
	if got := counting.Seal(""); got != "" {
		t.Errorf("nothing was sealed as %q, which the former system shows as a text", got)
	}
}

func TestUnsealOpensOneLayer(t *testing.T) {
	inner := counting.Seal(greeted)
	for _, tt := range []struct {
		name, stored, want string
		ok                 bool
	}{
		{"one layer", inner, greeted, true},
		{"two layers", counting.Seal(inner), inner, true},
		{"nothing", "", "", true},
		{"plain", greeted, "", false},
		{"form 2", strings.Repeat("00", 64) + inner, "", false},
		{"form 4", document(nonce, tag, body), "", false},
	} {
		if got, ok := counting.Unseal(tt.stored); got != tt.want || ok != tt.ok {
			t.Errorf("%s: Unseal = %q, %t; want %q, %t", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

func TestWhatIsSealedOpens(t *testing.T) {
	opens := func(raw [former.KeySize]byte, text string) bool {
		k := former.NewKey(raw)
		text = strings.ToValidUTF8(text, "?")
		got, ok := k.Unseal(k.Seal(text))
		return k.Open(k.Seal(text)) == text && ok && got == text
	}
	if err := quick.Check(opens, nil); err != nil {
		t.Error(err)
	}
}

func FuzzOpen(f *testing.F) {
	for _, s := range []string{
		"", "plain", nonce + tag + body, document(nonce, tag, body), `{"iv":null}`, "{", strings.Repeat("0", 194), greeted,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		opened := counting.Open(text)
		if counting.Open(opened) != opened && opened != former.Unreadable {
			t.Errorf("Open(%q) = %q, which opens once more", text, opened)
		}
		text = strings.ToValidUTF8(text, "?")
		if counting.Open(text) == text && counting.Open(counting.Seal(text)) != text {
			t.Errorf("%q was sealed and opened as another text", text)
		}
	})
}

func TestKeyIsHidden(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if got := fmt.Sprintf(verb, *counting) + fmt.Sprintf(verb, counting); got != "(key)(key)" {
			t.Errorf("%s prints %q", verb, got)
		}
	}
}

// lines calls f with each line of a file of the old database.
func lines(t *testing.T, name string, f func([]byte)) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "mongostore", "testdata", "old", name))
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(bytes.NewReader(raw))
	in.Buffer(nil, len(raw))
	for in.Scan() {
		f(in.Bytes())
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
}

func decode(t *testing.T, raw []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}
