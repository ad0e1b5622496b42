package sqlitestore

import (
	"context"
	"database/sql/driver"
	"fmt"

	"pryde/internal/id"
	"pryde/internal/people"
	"pryde/internal/seal"
)

var _ people.SecondFactors = (*Store)(nil)

func factorPlace(u id.User) seal.Place {
	return seal.Place{Collection: "second_factors", Field: "secret", Document: u[:]}
}

// sealedFactor is what of a second factor is sealed.
type sealedFactor struct {
	Secret  string   `json:"secret"`
	Offered []string `json:"offered,omitempty"`
}

// SecondFactor implements people.SecondFactors.
func (s *Store) SecondFactor(ctx context.Context, u id.User) (people.SecondFactor, error) {
	var f people.SecondFactor
	var secret []byte
	err := s.readers.with(ctx, func(c *conn) error {
		found, err := c.one(func(row []driver.Value) {
			copy(f.Mark[:], blob(row[0]))
			secret, f.InForce, f.LastStep, f.Left = blob(row[1]), integer(row[2]) != 0, integer(row[3]), int(integer(row[4]))
		}, `SELECT mark, secret, in_force, last_step, (SELECT count(*) FROM backup_codes b WHERE b.user = f.user)
			FROM second_factors f WHERE user = ?`, u[:])
		if err != nil || !found {
			return either(err, people.ErrNoSecondFactor)
		}
		return nil
	})
	var opened sealedFactor
	if err == nil {
		err = s.openJSON(ctx, factorPlace(u), secret, &opened)
	}
	if err != nil {
		return people.SecondFactor{}, fmt.Errorf("find second factor: %w", err)
	}
	f.Secret, f.Offered = opened.Secret, opened.Offered
	return f, nil
}

// OfferSecondFactor implements people.SecondFactors.
func (s *Store) OfferSecondFactor(ctx context.Context, u id.User, f people.SecondFactor, codes [][32]byte) (offered bool, err error) {
	secret, err := s.sealJSON(ctx, u, factorPlace(u), sealedFactor{f.Secret, f.Offered})
	if err != nil {
		return false, fmt.Errorf("offer second factor: %w", err)
	}
	err = s.writer.do(ctx, "offer second factor", func(t *tx) error {
		n, err := t.exec(`INSERT INTO second_factors (user, mark, secret, in_force, last_step) VALUES (?, ?, ?, 0, 0)
			ON CONFLICT (user) DO UPDATE SET mark = excluded.mark, secret = excluded.secret WHERE in_force = 0`,
			u[:], f.Mark[:], secret)
		if offered = n > 0; err != nil || !offered {
			return err
		}
		if _, err := t.exec("DELETE FROM backup_codes WHERE user = ?", u[:]); err != nil {
			return err
		}
		for _, c := range codes {
			if _, err := t.exec("INSERT INTO backup_codes (user, hash) VALUES (?, ?)", u[:], c[:]); err != nil {
				return err
			}
		}
		return nil
	})
	return err == nil && offered, err
}

// EnforceSecondFactor implements people.SecondFactors.
func (s *Store) EnforceSecondFactor(ctx context.Context, u id.User, f people.SecondFactor) (bool, error) {
	secret, err := s.sealJSON(ctx, u, factorPlace(u), sealedFactor{Secret: f.Secret})
	if err != nil {
		return false, fmt.Errorf("enforce second factor: %w", err)
	}
	return s.changedOne(ctx, "enforce second factor",
		"UPDATE second_factors SET in_force = 1, secret = ?, last_step = ? WHERE user = ? AND mark = ? AND in_force = 0",
		secret, f.LastStep, u[:], f.Mark[:])
}

// SpendStep implements people.SecondFactors.
func (s *Store) SpendStep(ctx context.Context, u id.User, step int64) (bool, error) {
	return s.changedOne(ctx, "spend code",
		"UPDATE second_factors SET last_step = ? WHERE user = ? AND in_force = 1 AND last_step < ?", step, u[:], step)
}

// SpendBackupCode implements people.SecondFactors.
func (s *Store) SpendBackupCode(ctx context.Context, u id.User, code [32]byte) (bool, error) {
	return s.changedOne(ctx, "spend backup code", `DELETE FROM backup_codes WHERE user = ? AND hash = ?
		AND EXISTS (SELECT 1 FROM second_factors f WHERE f.user = backup_codes.user AND f.in_force = 1)`, u[:], code[:])
}

// RemoveSecondFactor implements people.SecondFactors.
func (s *Store) RemoveSecondFactor(ctx context.Context, u id.User) error {
	return s.writer.do(ctx, "remove second factor", func(t *tx) error { return removeFactor(t, u) })
}

func removeFactor(t *tx, u id.User) error {
	if _, err := t.exec("DELETE FROM backup_codes WHERE user = ?", u[:]); err != nil {
		return err
	}
	_, err := t.exec("DELETE FROM second_factors WHERE user = ?", u[:])
	return err
}
