package wire

import (
	"time"

	"pryde/internal/id"
)

// A FoundPerson is one hit of a search for people.
type FoundPerson struct {
	ID           id.User `json:"_id"`
	Username     string  `json:"username"`
	DisplayName  string  `json:"displayName"`
	ProfilePhoto string  `json:"profilePhoto"`
	Bio          string  `json:"bio"`
}

// A Profile is what others may know of a person.
type Profile struct {
	ID                    id.User   `json:"id"`
	UnderscoreID          id.User   `json:"_id"` // the same as id
	Username              string    `json:"username"`
	DisplayName           string    `json:"displayName"`
	Nickname              string    `json:"nickname"`
	Pronouns              string    `json:"pronouns"`
	ProfilePhoto          string    `json:"profilePhoto"`
	CoverPhoto            string    `json:"coverPhoto"`
	Bio                   string    `json:"bio"`
	IsActive              bool      `json:"isActive"`  // neither deactivated nor banned
	IsDeleted             bool      `json:"isDeleted"` // always false: who is deleted is not found
	LastSeen              time.Time `json:"lastSeen,omitzero"`
	CreatedAt             time.Time `json:"createdAt"`
	IsFollowing           bool      `json:"isFollowing"` // you follow them
	FollowsYou            bool      `json:"followsYou"`
	Followers             Count     `json:"followers"`
	Following             Count     `json:"following"`
	HasBlockedCurrentUser bool      `json:"hasBlockedCurrentUser"` // always false: who blocks you shows you nothing
	Badges                []string  `json:"badges"`
}

// A Count is how long a list is of which nothing else is shown.
type Count struct {
	Length int `json:"length"`
}
