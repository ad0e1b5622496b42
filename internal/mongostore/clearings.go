package mongostore

import (
	"slices"

	"pryde/internal/order"
)

// Clearings are what a person has cleared of a conversation, oldest first, at most maxClearings.
type clearings []clearing

// A clearing hides everything up to a message from the person.
type clearing struct {
	UpTo order.Seq `bson:"upTo"`
	Seq  order.Seq `bson:"seq"` // of the commit
}

// maxClearings bounds what is remembered. Who was away for more of them reads everything again.
const maxClearings = 32

// upTo is up to where the person has cleared the conversation.
func (cs clearings) upTo() order.Seq {
	if len(cs) == 0 {
		return 0
	}
	return cs[len(cs)-1].UpTo
}

// with returns the clearings and one more, and the commit of the oldest where that is forgotten
// for it: who was away then reads everything again.
func (cs clearings) with(c clearing) (all clearings, forgotten order.Seq) {
	all = append(slices.Clip(cs), c)
	if len(all) > maxClearings {
		return all[1:], all[0].Seq
	}
	return all, 0
}
