package mongostore

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/id"
	"pryde/internal/people"
	"pryde/internal/seal"
)

var _ people.SecondFactors = (*Store)(nil)

const factorsName = "second_factors"

var factorsCollection = collection{name: factorsName}

// A factorDoc is a second factor that was set up here. One of the former system stays in its
// account (formerFactor).
type factorDoc struct {
	ID       bson.ObjectID `bson:"_id"` // that of the person
	Mark     [32]byte      `bson:"mark"`
	Secret   []byte        `bson:"secret"` // a sealedFactor, sealed
	InForce  bool          `bson:"inForce"`
	LastStep int64         `bson:"lastStep"`
	Codes    [][32]byte    `bson:"codes"` // keyed hashes of the backup codes that have not been used
}

// sealedFactor is what of a second factor is sealed.
type sealedFactor struct {
	Secret  string   `json:"secret"`
	Offered []string `json:"offered,omitempty"`
}

func factorPlace(u id.User) seal.Place {
	return seal.Place{Collection: factorsName, Field: "secret", Document: u[:]}
}

// SecondFactor implements people.SecondFactors.
func (s *Store) SecondFactor(ctx context.Context, u id.User) (people.SecondFactor, error) {
	f, err := s.secondFactor(ctx, u)
	if err != nil {
		return people.SecondFactor{}, fmt.Errorf("find second factor: %w", unavailable(err))
	}
	return f, nil
}

func (s *Store) secondFactor(ctx context.Context, u id.User) (people.SecondFactor, error) {
	d, err := findFactor(ctx, s.coll(factorsName), u)
	if err != nil {
		return people.SecondFactor{}, err
	}
	if d == nil || !d.InForce {
		former, err := findFormerFactor(ctx, s.coll(usersName), u)
		if err != nil {
			return people.SecondFactor{}, err
		}
		if former != nil {
			return s.openFormerFactor(*former), nil
		}
	}
	if d == nil {
		return people.SecondFactor{}, people.ErrNoSecondFactor
	}
	var opened sealedFactor
	err = s.openJSON(ctx, factorPlace(u), d.Secret, &opened)
	return people.SecondFactor{
		Secret: opened.Secret, Offered: opened.Offered, Mark: d.Mark, InForce: d.InForce, LastStep: d.LastStep, Left: len(d.Codes),
	}, err
}

// findFactor returns the second factor that somebody has set up here; nil where there is none.
func findFactor(ctx context.Context, c *mongo.Collection, u id.User) (*factorDoc, error) {
	var d factorDoc
	return found(&d, c.FindOne(ctx, byID(u)).Decode(&d))
}

// inForce returns the second factor of somebody that is in force: one of the two, if any.
func inForce(t *tx, u id.User) (*factorDoc, *formerFactor, error) {
	d, err := findFactor(t.ctx, t.reading(factorsName), u)
	if err != nil || d != nil && d.InForce {
		return d, nil, err
	}
	former, err := findFormerFactor(t.ctx, t.reading(usersName), u)
	return nil, former, err
}

// OfferSecondFactor implements people.SecondFactors.
func (s *Store) OfferSecondFactor(ctx context.Context, u id.User, f people.SecondFactor, codes [][32]byte) (offered bool, err error) {
	secret, err := s.sealJSON(ctx, u, factorPlace(u), sealedFactor{f.Secret, f.Offered})
	if err != nil {
		return false, fmt.Errorf("offer second factor: %w", unavailable(err))
	}
	doc := factorDoc{ID: bson.ObjectID(u), Mark: f.Mark, Secret: secret, Codes: codes}
	err = s.writer.do(ctx, "offer second factor", func(t *tx) error {
		offered = false
		ours, former, err := inForce(t, u)
		if err != nil || ours != nil || former != nil {
			return err
		}
		offered = true
		_, err = t.collection(factorsName).ReplaceOne(t.ctx, byID(u), doc, options.Replace().SetUpsert(true))
		return err
	})
	return err == nil && offered, err
}

// EnforceSecondFactor implements people.SecondFactors.
func (s *Store) EnforceSecondFactor(ctx context.Context, u id.User, f people.SecondFactor) (bool, error) {
	offer := append(byID(u), is("mark", f.Mark), is("inForce", false))
	if s.legacy {
		return s.enforceAsBefore(ctx, u, f, offer)
	}
	secret, err := s.sealJSON(ctx, u, factorPlace(u), sealedFactor{Secret: f.Secret})
	if err != nil {
		return false, fmt.Errorf("enforce second factor: %w", unavailable(err))
	}
	return s.changedOne(ctx, "enforce second factor", factorsName, offer,
		set(is("inForce", true), is("secret", secret), is("lastStep", f.LastStep)))
}

// SpendStep implements people.SecondFactors.
func (s *Store) SpendStep(ctx context.Context, u id.User, step int64) (spent bool, err error) {
	err = s.writer.do(ctx, "spend code", func(t *tx) error {
		spent = false
		ours, former, err := inForce(t, u)
		switch {
		case err != nil:
			return err
		case ours != nil && ours.LastStep < step:
			spent = true
			_, err = t.collection(factorsName).UpdateOne(t.ctx, byID(u), set(is("lastStep", step)))
		case former != nil && former.LastStep < step:
			spent = true
			_, err = t.collection(usersName).UpdateOne(t.ctx, byID(u), set(is("twoFactorStep", step)))
		}
		return err
	})
	return err == nil && spent, err
}

// SpendBackupCode implements people.SecondFactors.
func (s *Store) SpendBackupCode(ctx context.Context, u id.User, code [32]byte) (spent bool, err error) {
	key, err := s.vault.ServerKey(ctx)
	if err != nil {
		return false, fmt.Errorf("spend backup code: %w", unavailable(err))
	}
	err = s.writer.do(ctx, "spend backup code", func(t *tx) error {
		spent = false
		ours, former, err := inForce(t, u)
		switch {
		case err != nil:
			return err
		case former != nil:
			spent, err = spendFormerCode(t, u, *former, func(c string) bool { return people.HashBackupCode(key, u, c) == code })
			return err
		case ours == nil:
			return nil
		}
		r, err := t.collection(factorsName).UpdateOne(t.ctx, append(byID(u), is("codes", code)),
			bson.D{is("$pull", bson.D{is("codes", code)})})
		if err != nil {
			return err
		}
		spent = r.MatchedCount > 0
		return nil
	})
	return err == nil && spent, err
}

// RemoveSecondFactor implements people.SecondFactors.
func (s *Store) RemoveSecondFactor(ctx context.Context, u id.User) error {
	return s.writer.do(ctx, "remove second factor", func(t *tx) error {
		if err := removeFactor(t, u); err != nil {
			return err
		}
		return removeFormerFactor(t, u)
	})
}

func removeFactor(t *tx, u id.User) error {
	_, err := t.collection(factorsName).DeleteOne(t.ctx, byID(u))
	return err
}
