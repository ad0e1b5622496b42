package app

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"pryde/internal/sqlitestore"
)

// secretsFile is in KEYS_DIR.
const secretsFile = "secrets.json"

// kept are the secrets that a development server makes for itself.
type kept struct {
	JWTSecret        string `json:"JWT_SECRET"`
	JWTRefreshSecret string `json:"JWT_REFRESH_SECRET"`
	MessageKey       string `json:"MESSAGE_ENCRYPTION_KEY"`
}

// fillSecrets completes what the environment did not set from the file of kept secrets,
// which it makes on the first start. Production has none to complete.
func fillSecrets(c *Config) error {
	if c.JWTSecret != "" && c.JWTRefreshSecret != "" && !c.MessageKey.IsZero() {
		return nil
	}
	if c.MessageKey.IsZero() && there(c.KeysDir, sqlitestore.KeysFile) && !there(c.KeysDir, secretsFile) {
		return errors.New("secrets: secrets.json is gone, and with it the MESSAGE_ENCRYPTION_KEY that wraps the keys in keys.db: put it back, or set the key")
	}
	k, err := keptSecrets(c.KeysDir)
	if err != nil {
		return fmt.Errorf("secrets: %w", err)
	}
	if c.JWTSecret == "" {
		c.JWTSecret = Secret(k.JWTSecret)
	}
	if c.JWTRefreshSecret == "" {
		c.JWTRefreshSecret = Secret(k.JWTRefreshSecret)
	}
	if c.MessageKey.IsZero() {
		if err := c.MessageKey.UnmarshalText([]byte(k.MessageKey)); err != nil {
			return fmt.Errorf("secrets: MESSAGE_ENCRYPTION_KEY of secrets.json: %w", err)
		}
	}
	if len(c.JWTSecret) < minSecret || len(c.JWTRefreshSecret) < minSecret {
		return errors.New("secrets: secrets.json is incomplete; it is not replaced, since the data needs it")
	}
	return nil
}

// there reports whether a file is in a folder, or may be.
func there(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return !errors.Is(err, fs.ErrNotExist)
}

func keptSecrets(dir string) (kept, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return kept{}, err
	}
	file := filepath.Join(dir, secretsFile)
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return makeSecrets(dir, file)
	}
	if err != nil {
		return kept{}, err
	}
	var k kept
	if err := json.Unmarshal(raw, &k); err != nil {
		return kept{}, errors.New("secrets.json cannot be read; it is not replaced, since the data needs it")
	}
	return k, nil
}

// makeSecrets writes fresh secrets and returns once they are on the disk: data that is
// sealed with a key that a power cut took away is lost.
func makeSecrets(dir, file string) (kept, error) {
	k := kept{random(), random(), random()}
	raw, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return kept{}, err
	}
	f, err := os.CreateTemp(dir, "secrets-*") // mode 0600
	if err != nil {
		return kept{}, err
	}
	defer os.Remove(f.Name()) // nothing is there once it is renamed
	_, err = f.Write(append(raw, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return kept{}, err
	}
	switch err := os.Link(f.Name(), file); {
	case errors.Is(err, fs.ErrExist):
		return keptSecrets(dir) // another start was faster
	case err != nil:
		if err := os.Rename(f.Name(), file); err != nil { // a file system without links
			return kept{}, err
		}
	}
	return k, syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func random() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// existingSecrets completes what the environment did not set from the file of kept secrets. It makes
// none.
func existingSecrets(c *Config) error {
	if !c.MessageKey.IsZero() {
		return nil
	}
	if _, err := os.Stat(filepath.Join(c.KeysDir, secretsFile)); err != nil {
		return fmt.Errorf("MESSAGE_ENCRYPTION_KEY: is not set, and no key was made here: %w", err)
	}
	return fillSecrets(c)
}
