package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"pryde/internal/custody"
	"pryde/internal/id"
	"pryde/internal/seal"
)

// AddKey makes a new master key and writes it once, with what to do with it. Nothing is changed.
func AddKey(c Config, w io.Writer) error {
	var key seal.Key
	if _, err := rand.Read(key[:]); err != nil {
		return fmt.Errorf("draw a key: %w", err)
	}
	present := "the value that MESSAGE_ENCRYPTION_KEY has now"
	if c.MessageKey.IsZero() {
		present = "the MESSAGE_ENCRYPTION_KEY that is in secrets.json in KEYS_DIR"
	}
	_, err := fmt.Fprintf(w, `A new master key, %v. It is shown this once and kept nowhere.

MESSAGE_ENCRYPTION_KEY=%s

1. Keep a copy of it where you keep secrets, beside the others.
2. Put %s in front of MESSAGE_ENCRYPTION_KEYS (by comma), and set the new key.
3. Restart the server, each instance of it. It opens everything as before.
4. pryde keys rotate
5. Copy the wrapped keys anew, and let the older copies go.
6. Take the former key out of MESSAGE_ENCRYPTION_KEYS once pryde keys status says that it can go.
`, key.ID(), hex.EncodeToString(key[:]), present)
	return err
}

// WriteKeyStatus writes which master keys there are and what they wrap, which data keys were replaced
// and what waits to be done. It shows no key.
func WriteKeyStatus(ctx context.Context, c Config, w io.Writer) error {
	return lookAtKeys(ctx, c, func(keys keyring) error {
		if err := existingSecrets(&c); err != nil {
			return err
		}
		masters, err := keys.Masters(ctx)
		if err != nil {
			return err
		}
		var s strings.Builder
		c.writeMasters(&s, masters)
		if err := writeRetired(ctx, &s, keys); err != nil {
			return err
		}
		pending, err := keys.Pending(ctx)
		if err != nil {
			return err
		}
		for _, o := range pending {
			fmt.Fprintf(&s, "waits to be carried out: %s, ordered %s\n", o.Kind, o.PostedAt.Format(time.RFC3339))
		}
		erased, err := keys.ErasedOwners(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(&s, "people who were erased: %d\n", len(erased))
		_, err = io.WriteString(w, s.String())
		return err
	})
}

// writeMasters writes the master keys, the newest first.
func (c Config) writeMasters(s *strings.Builder, masters map[seal.KeyID]int) {
	given := []seal.KeyID{c.MessageKey.ID()}
	for _, k := range c.FormerKeys {
		given = append(given, k.ID())
	}
	for i, m := range given {
		says := "former"
		switch {
		case i == 0:
			says = "newest"
		case masters[m] == 0 && c.MongoURI != "" && i == len(given)-1:
			says = "former; it can go unless the former server encrypted with it"
		case masters[m] == 0:
			says = "former; it can go"
		}
		fmt.Fprintf(s, "master key %v wraps %d data keys (%s)\n", m, masters[m], says)
		delete(masters, m)
	}
	for _, m := range slices.Sorted(maps.Keys(masters)) {
		fmt.Fprintf(s, "master key %v wraps %d data keys (MISSING: it is neither MESSAGE_ENCRYPTION_KEY nor in MESSAGE_ENCRYPTION_KEYS)\n",
			m, masters[m])
	}
}

func writeRetired(ctx context.Context, s *strings.Builder, keys keyring) error {
	retired, err := keys.RetiredKeys(ctx)
	if err != nil {
		return err
	}
	for _, k := range retired {
		note, err := keys.Progress(ctx, k.ID)
		if err != nil {
			return err
		}
		fmt.Fprintf(s, "the data key of user %v was replaced %s: what it sealed %s\n",
			id.User(k.Owner), k.RetiredAt.Format(time.RFC3339), custody.Status(note))
	}
	return nil
}
