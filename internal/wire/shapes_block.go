package wire

import (
	"time"

	"pryde/internal/id"
)

type block struct{}

// BlockID identifies a block.
type BlockID = id.ID[block]

// Blocking names a person to block.
type Blocking struct {
	BlockedUserID id.User `json:"blockedUserId"`
	Reason        string  `json:"reason"` // for oneself; at most 500 characters
}

// A Block says that one person wants nothing to do with another.
type Block struct {
	ID        BlockID   `json:"_id"`
	Blocker   id.User   `json:"blocker"`
	Blocked   id.User   `json:"blocked"`
	Reason    string    `json:"reason"`
	CreatedAt time.Time `json:"createdAt"`
}

// Blocked answers a block.
type Blocked struct {
	Message string `json:"message"`
	Block   Block  `json:"block"`
	Existed bool   `json:"-"` // it was there before
}

// A BlockedPerson is a block as the blocker's list shows it.
type BlockedPerson struct {
	ID        BlockID   `json:"_id"`
	Blocker   id.User   `json:"blocker"`
	Blocked   Person    `json:"blocked"`
	Reason    string    `json:"reason"`
	CreatedAt time.Time `json:"createdAt"`
}

// BlockCheck says whether the caller blocks somebody.
type BlockCheck struct {
	IsBlocked bool `json:"isBlocked"`
}

// Unblocked answers the end of a block.
type Unblocked struct {
	Message string `json:"message"`
}

// PrivacySettings say what others may do.
type PrivacySettings struct {
	WhoCanMessage string `json:"whoCanMessage"` // everyone, followers or no-one
}

// PrivacyChange changes those settings that it names.
type PrivacyChange struct {
	WhoCanMessage *string `json:"whoCanMessage"`
}

// PrivacyChanged answers a change of the settings.
type PrivacyChanged struct {
	Message  string          `json:"message"`
	Settings PrivacySettings `json:"settings"`
}
