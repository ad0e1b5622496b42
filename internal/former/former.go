// Package former opens the texts that the former system sealed, and seals texts so that it can
// open them. It knows nothing of where they are kept.
//
// The former system wrote AES-256-GCM with a 16-byte nonce and the raw key, bound to nothing, in
// one of these forms, hexadecimal in either case:
//
//  1. nonce, tag, ciphertext in one run of digits;
//  2. the same behind a salt of 64 bytes that means nothing;
//  3. a document with the fields iv, authTag and encryptedData;
//  4. that document as JSON text;
//
// besides texts that it never sealed, and texts that were sealed more than once.
package former

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

const (
	// KeySize is the length of a key in bytes.
	KeySize = 32

	// Unreadable stands for a text that was surely sealed and that the key does not open.
	Unreadable = "[Encrypted message - unable to decrypt]"

	nonceSize = 16 // bytes
	tagSize   = 16 // bytes
	saltSize  = 64 // bytes

	// maxLayers is how often a text is opened again because what came out is sealed too. The
	// former system and its scripts sealed twice at most.
	maxLayers = 8
)

// A Key opens and seals. It is safe for concurrent use and does not show what it holds.
type Key struct {
	aead cipher.AEAD
}

// NewKey returns the key of 32 raw bytes. Nothing is derived from them: they are the key.
func NewKey(raw [KeySize]byte) *Key {
	block, err := aes.NewCipher(raw[:])
	if err != nil {
		panic(err) // 32 bytes are a key of AES
	}
	aead, err := cipher.NewGCMWithNonceSize(block, nonceSize)
	if err != nil {
		panic(err) // the nonce is not empty
	}
	return &Key{aead: aead}
}

// Format hides the key whatever the verb is.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "(key)") }

// Seal seals a text in form 1. The empty text stays empty: the former system takes the shortest
// sealed text for a plain one.
func (k *Key) Seal(text string) string {
	if text == "" {
		return ""
	}
	sealed := make([]byte, nonceSize+tagSize, nonceSize+tagSize+len(text)+tagSize)
	_, _ = rand.Read(sealed[:nonceSize]) // never fails
	out := k.aead.Seal(sealed, sealed[:nonceSize], []byte(text), nil)
	body := out[len(sealed):]
	// The former system has the tag before the ciphertext.
	copy(sealed[nonceSize:], body[len(text):])
	return hex.EncodeToString(out[:len(sealed)+len(text)])
}

// Unseal opens exactly what Seal made, one layer of form 1, and reports whether it could. It is
// for texts that are sealed this way still: of those no more than one layer may be opened, or
// whoever pastes a sealed text into a message would read it.
func (k *Key) Unseal(stored string) (string, bool) {
	if stored == "" {
		return "", true
	}
	raw, ok := digits(stored)
	if !ok {
		return "", false
	}
	return k.openRun(raw)
}

// Open returns the text behind a string that the former system stored, through however many
// layers it was sealed. Digits that the key does not open are returned as they are, since
// nothing tells them from a plain text of digits; JSON text of form 4 that it does not open is
// Unreadable. What is not sealed is returned unchanged.
func (k *Key) Open(stored string) string {
	p, isDocument := documentIn(stored)
	if !isDocument {
		return k.unwrap(stored)
	}
	return k.openParts(p)
}

// OpenParts returns the text of a document of form 3: Unreadable if its fields are missing or
// the key does not open it.
func (k *Key) OpenParts(iv, authTag, encryptedData string) string {
	p, ok := partsOf(iv, authTag, encryptedData)
	if !ok {
		return Unreadable
	}
	return k.openParts(p)
}

func (k *Key) openParts(p parts) string {
	text, ok := k.open(p)
	if !ok {
		return Unreadable
	}
	return k.unwrap(text)
}

// unwrap opens a text until what remains is none that the key opens.
func (k *Key) unwrap(text string) string {
	for range maxLayers {
		inner, ok := k.layer(text)
		if !ok {
			break
		}
		text = inner
	}
	return text
}

// layer opens one layer of a text, and reports whether there was one.
func (k *Key) layer(text string) (string, bool) {
	if p, ok := documentIn(text); ok {
		return k.open(p)
	}
	raw, ok := digits(text)
	if !ok {
		return "", false
	}
	if inner, ok := k.openRun(raw); ok {
		return inner, true
	}
	if len(raw) <= saltSize {
		return "", false
	}
	return k.openRun(raw[saltSize:])
}

// openRun opens nonce, tag and ciphertext that stand in a row.
func (k *Key) openRun(raw []byte) (string, bool) {
	if len(raw) <= nonceSize+tagSize {
		return "", false
	}
	return k.open(parts{raw[:nonceSize], raw[nonceSize : nonceSize+tagSize], raw[nonceSize+tagSize:]})
}

func (k *Key) open(p parts) (string, bool) {
	sealed := make([]byte, 0, len(p.data)+tagSize)
	sealed = append(append(sealed, p.data...), p.tag...)
	plain, err := k.aead.Open(sealed[:0], p.nonce, sealed, nil)
	if err != nil {
		return "", false
	}
	return strings.ToValidUTF8(string(plain), "\uFFFD"), true
}

// parts are the parts of a sealed text: nonce and tag have their right lengths.
type parts struct {
	nonce, tag, data []byte
}

func partsOf(iv, authTag, encryptedData string) (parts, bool) {
	nonce, okNonce := digits(iv)
	tag, okTag := digits(authTag)
	data, okData := digits(encryptedData)
	ok := okNonce && okTag && okData && len(nonce) == nonceSize && len(tag) == tagSize
	return parts{nonce, tag, data}, ok
}

// documentIn finds form 4. A JSON text whose fields are not what the former system wrote is
// what somebody typed.
func documentIn(text string) (parts, bool) {
	if !strings.HasPrefix(text, "{") {
		return parts{}, false
	}
	var d struct{ IV, AuthTag, EncryptedData string }
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return parts{}, false
	}
	return partsOf(d.IV, d.AuthTag, d.EncryptedData)
}

func digits(text string) ([]byte, bool) {
	raw, err := hex.DecodeString(text)
	return raw, err == nil
}
