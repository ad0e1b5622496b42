package mongostore

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"pryde/internal/id"
	"pryde/internal/people"
)

// A formerFactor is a second factor as the former system keeps it in an account, besides
// twoFactorStep of our own. That system can go on with it. Where logins were approved by push
// alone there is no secret: such a factor is in force all the same, and only backup codes open it.
type formerFactor struct {
	Enabled  bool          `bson:"twoFactorEnabled"`
	Push     bool          `bson:"pushTwoFactorEnabled"`
	Secret   bson.RawValue `bson:"twoFactorSecret"` // encrypted or in the clear
	Codes    []formerCode  `bson:"twoFactorBackupCodes"`
	LastStep int64         `bson:"twoFactorStep"`
}

// A formerCode is a backup code in the clear.
type formerCode struct {
	ID   bson.ObjectID `bson:"_id"`
	Code string        `bson:"code"`
	Used bool          `bson:"used"`
}

var formerFactorFields = []string{"twoFactorEnabled", "pushTwoFactorEnabled", "twoFactorSecret", "twoFactorBackupCodes", "twoFactorStep"}

// findFormerFactor returns the factor of an account that is in force; nil where there is none.
func findFormerFactor(ctx context.Context, c *mongo.Collection, u id.User) (*formerFactor, error) {
	var f formerFactor
	account, err := found(&f, c.FindOne(ctx, byID(u), options.FindOne().SetProjection(projection(formerFactorFields))).Decode(&f))
	if err != nil || account == nil || !f.Enabled && !f.Push {
		return nil, err
	}
	return account, nil
}

func (s *Store) openFormerFactor(f formerFactor) people.SecondFactor {
	opened := people.SecondFactor{InForce: true, LastStep: f.LastStep}
	if f.Enabled {
		opened.Secret = s.formerSecret(f.Secret)
	}
	for _, c := range f.Codes {
		if !c.Used {
			opened.Left++
		}
	}
	return opened
}

// spendFormerCode marks the first unused backup code that is meant as used.
func spendFormerCode(t *tx, u id.User, f formerFactor, meant func(string) bool) (bool, error) {
	for _, c := range f.Codes {
		if c.Used || !meant(c.Code) {
			continue
		}
		this := bson.D{is("$elemMatch", bson.D{is("code", c.Code), is("used", bson.D{is("$ne", true)})})}
		_, err := t.collection(usersName).UpdateOne(t.ctx, append(byID(u), is("twoFactorBackupCodes", this)),
			set(is("twoFactorBackupCodes.$.used", true)))
		return err == nil, err
	}
	return false, nil
}

// enforceAsBefore puts an offer in force in the form of the former system.
func (s *Store) enforceAsBefore(ctx context.Context, u id.User, f people.SecondFactor, offer bson.D) (done bool, err error) {
	codes := make([]formerCode, len(f.Offered))
	for i, c := range f.Offered {
		codes[i] = formerCode{ID: bson.NewObjectID(), Code: c}
	}
	err = s.writer.do(ctx, "enforce second factor", func(t *tx) error {
		done = false
		switch err := t.reading(factorsName).FindOne(t.ctx, offer).Err(); {
		case errors.Is(err, mongo.ErrNoDocuments):
			return nil
		case err != nil:
			return err
		}
		r, err := t.collection(usersName).UpdateOne(t.ctx, byID(u), set(
			is("twoFactorEnabled", true), is("twoFactorSecret", s.formerKey.Seal(f.Secret)),
			is("twoFactorBackupCodes", codes), is("twoFactorStep", f.LastStep)))
		if err != nil || r.MatchedCount == 0 {
			return err
		}
		done = true
		return removeFactor(t, u)
	})
	return err == nil && done, err
}

func removeFormerFactor(t *tx, u id.User) error {
	_, err := t.collection(usersName).UpdateOne(t.ctx, byID(u), append(
		set(is("twoFactorEnabled", false), is("pushTwoFactorEnabled", false),
			is("twoFactorSecret", nil), is("twoFactorBackupCodes", bson.A{})),
		is("$unset", bson.D{is("twoFactorStep", 1)})))
	return err
}
