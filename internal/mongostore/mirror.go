package mongostore

import (
	"encoding/hex"

	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/auth"
	"pryde/internal/id"
	"pryde/internal/people"
)

// The former system kept sessions and follows twice, in their collections and in lists of the
// accounts. Nothing is read from the lists here. During a trial they are kept up to date, so that
// it can go on where this one stopped.

// maxMirrored is how many sessions the former system has in the list of an account.
const maxMirrored = 10

// formerDevice are the fields of a device as the former system stores it.
func formerDevice(d auth.Device) bson.D {
	device, browser, os := people.ParseDevice(d.UserAgent)
	return bson.D{
		is("device", device), is("deviceInfo", device), is("browser", browser), is("os", os),
		is("ipAddress", d.Address), is("lastIp", d.Address),
		is("lastUserAgent", people.FormerAgent(device, browser, os)),
	}
}

// formerDevice returns the device of a session of the former system.
func (d sessionDoc) formerDevice() auth.Device {
	device, _ := d.Device.StringValueOK()
	return auth.Device{UserAgent: people.FormerAgent(device, d.Browser, d.OS), Address: d.Address}
}

// mirrorStart adds a session to the list of its account.
func (s *Store) mirrorStart(t *tx, n auth.Session) error {
	if !s.legacy {
		return nil
	}
	device, browser, os := people.ParseDevice(n.Device.UserAgent)
	entry := bson.D{
		is("_id", bson.NewObjectID()),
		is("sessionId", n.ID),
		is("refreshToken", nil),
		is("refreshTokenHash", hex.EncodeToString(n.Hash[:])),
		is("refreshTokenExpiry", instant(n.ExpiresAt)),
		is("previousRefreshTokenHash", nil),
		is("deviceInfo", device), is("browser", browser), is("os", os),
		is("ipAddress", n.Device.Address),
		is("createdAt", instant(n.CreatedAt)), is("lastActive", instant(n.LastActive)),
	}
	newest := bson.D{is("$each", bson.A{entry}), is("$slice", -maxMirrored)}
	_, err := t.collection(usersName).UpdateOne(t.ctx, byID(n.User), bson.D{is("$push", bson.D{is("activeSessions", newest)})})
	return err
}

// mirrorRotation replaces the token of a session in the list of its account.
func (s *Store) mirrorRotation(t *tx, n auth.Session) error {
	if !s.legacy {
		return nil
	}
	mine := append(byID(n.User), is("activeSessions.sessionId", n.ID))
	_, err := t.collection(usersName).UpdateOne(t.ctx, mine, set(
		is("activeSessions.$.refreshTokenHash", hex.EncodeToString(n.Hash[:])),
		is("activeSessions.$.previousRefreshTokenHash", hex.EncodeToString(n.Previous[:])),
		is("activeSessions.$.refreshTokenExpiry", instant(n.ExpiresAt)),
		is("activeSessions.$.lastTokenRotation", instant(n.RotatedAt)),
		is("activeSessions.$.lastActive", instant(n.LastActive)),
	))
	return err
}

// mirrorEnd takes sessions out of the list of their account.
func (s *Store) mirrorEnd(t *tx, u id.User, sessions []string) error {
	if !s.legacy {
		return nil
	}
	these := bson.D{is("sessionId", bson.D{is("$in", sessions)})}
	_, err := t.collection(usersName).UpdateOne(t.ctx, byID(u), bson.D{is("$pull", bson.D{is("activeSessions", these)})})
	return err
}

// mirrorFollow keeps the lists of both people: how is $addToSet or $pull.
func (s *Store) mirrorFollow(t *tx, how string, follower, following id.User) error {
	if !s.legacy {
		return nil
	}
	for _, side := range []struct {
		of    id.User
		list  string
		other id.User
	}{{follower, "following", following}, {following, "followers", follower}} {
		change := bson.D{is(how, bson.D{is(side.list, bson.ObjectID(side.other))})}
		if _, err := t.collection(usersName).UpdateOne(t.ctx, byID(side.of), change); err != nil {
			return err
		}
	}
	return nil
}
