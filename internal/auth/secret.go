package auth

import (
	"fmt"
	"log/slog"
)

// A Secret is a key that signs tokens. However it is printed, logged or encoded, it shows
// nothing of itself, also as a field of something else.
type Secret struct {
	reveal func() []byte // fmt looks into everything but functions where it finds no method
}

// NewSecret returns a secret that holds a copy of key.
func NewSecret(key []byte) Secret {
	own := append([]byte(nil), key...)
	return Secret{func() []byte { return own }}
}

const hidden = "[secret]"

// Format writes that there is a secret.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// LogValue writes that there is a secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText writes that there is a secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

func (s Secret) bytes() []byte {
	if s.reveal == nil {
		return nil
	}
	return s.reveal()
}
