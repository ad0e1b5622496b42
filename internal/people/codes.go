package people

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pquerna/otp/hotp"

	"pryde/internal/id"
)

const (
	codeDigits = 6
	codePeriod = 30 // seconds; a time step
	codeSkew   = 1  // steps that a clock may be early or late

	backupCodes    = 10
	backupCodeSize = 10 // characters of backupAlphabet: 50 bits

	formerCodeSize = 8 // hexadecimal digits of a backup code of the former system
)

// backupAlphabet has no characters that look like others. Its length divides 256.
const backupAlphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

// maxCodeInput bounds what is looked at of a code, in bytes.
const maxCodeInput = 64

// normalCode writes a code as it is compared: people type spaces, dashes and lower case.
func normalCode(s string) string {
	if len(s) > maxCodeInput {
		return ""
	}
	return strings.NewReplacer(" ", "", "-", "").Replace(strings.ToUpper(s))
}

// matchingStep returns the time step whose code this is, if it is that of the present one or
// one beside it.
func matchingStep(secret, code string, now time.Time) (step int64, right bool) {
	if secret == "" {
		return 0, false // whose codes everybody knows
	}
	present := now.Unix() / codePeriod
	for s := present - codeSkew; s <= present+codeSkew; s++ {
		want, err := hotp.GenerateCode(secret, uint64(s))
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 {
			step, right = s, true
		}
	}
	return step, right
}

// backupCodes makes backup codes as they are shown: in two halves.
func (s *Service) backupCodes() ([]string, error) {
	codes := make([]string, backupCodes)
	for i := range codes {
		var b [backupCodeSize]byte
		if _, err := io.ReadFull(s.rand, b[:]); err != nil {
			return nil, fmt.Errorf("make backup codes: %w", err)
		}
		for j, c := range b {
			b[j] = backupAlphabet[int(c)%len(backupAlphabet)]
		}
		codes[i] = string(b[:backupCodeSize/2]) + "-" + string(b[backupCodeSize/2:])
	}
	return codes, nil
}

// hashCode is a backup code as it is kept.
func (s *Service) hashCode(u id.User, code string) [32]byte { return HashBackupCode(s.key, u, code) }

// HashBackupCode returns by which hash a service with this key asks for a backup code of a
// person. It is for stores that have codes of the former system, which kept them in the clear.
func HashBackupCode(key [32]byte, u id.User, code string) [32]byte {
	return keyed(key, "backup code", u, normalCode(code))
}

// keyed hashes something secret of a person with the server's key. No two purposes share a
// hash.
func keyed(key [32]byte, purpose string, u id.User, secret string) (sum [32]byte) {
	h := hmac.New(sha256.New, key[:])
	h.Write([]byte(purpose + "\x00"))
	h.Write(u[:])
	h.Write([]byte(secret))
	h.Sum(sum[:0])
	return sum
}
