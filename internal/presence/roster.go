package presence

import (
	"slices"

	"pryde/internal/id"
	"pryde/internal/wire"
)

// maxListed is how many people online_users names.
const maxListed = 1_000

// A roster is the list of who is online, at most 1,000, with its JSON, which is made once per
// change. The mutex of the service guards it.
type roster struct {
	listed []id.User // in no order
	at     map[id.User]int
	json   wire.Raw // of listed; nil where it has changed
}

func (r *roster) add(u id.User) {
	if _, in := r.at[u]; in || len(r.listed) == maxListed {
		return
	}
	r.at[u] = len(r.listed)
	r.listed = append(r.listed, u)
	r.json = nil
}

func (r *roster) remove(u id.User) {
	at, in := r.at[u]
	if !in {
		return
	}
	last := len(r.listed) - 1
	r.listed[at] = r.listed[last]
	r.at[r.listed[at]] = at
	r.listed = r.listed[:last]
	delete(r.at, u)
	r.json = nil
}

// everyone returns the list as JSON. It is shared and must not be changed.
func (r *roster) everyone() wire.Raw {
	if r.json == nil {
		r.json = encode(r.listed)
	}
	return r.json
}

// seenBy returns the list as JSON for a person who is online and is always on their own list:
// where it is full without them, they take the last place. Who is apart from them is left out.
func (r *roster) seenBy(u id.User, apart map[id.User]bool) wire.Raw {
	if r.names(apart) {
		return r.without(apart, u)
	}
	all := r.everyone()
	if _, in := r.at[u]; in {
		return all
	}
	kept := all[:len(all)-len("]")]
	if len(r.listed) == maxListed {
		kept = kept[:len(kept)-len(`,""`)-len(u.String())]
	}
	own := append(make(wire.Raw, 0, len(all)), kept...)
	if len(r.listed) > 0 {
		own = append(own, ',')
	}
	return append(appendUser(own, u), ']')
}

// names reports whether one of these people is on the list.
func (r *roster) names(people map[id.User]bool) bool {
	if len(people) == 0 {
		return false
	}
	return slices.ContainsFunc(r.listed, func(u id.User) bool { return people[u] })
}

// without encodes the list as u sees it when some people are left out.
func (r *roster) without(apart map[id.User]bool, u id.User) wire.Raw {
	shown := make([]id.User, 0, len(r.listed)+1)
	for _, other := range r.listed {
		if !apart[other] {
			shown = append(shown, other)
		}
	}
	if _, in := r.at[u]; !in {
		shown = append(shown, u) // there is a place: somebody was left out
	}
	return encode(shown)
}

// encode writes ids as wire.Encode does, without its price.
func encode(list []id.User) wire.Raw {
	raw := append(make(wire.Raw, 0, len("[]")+len(list)*(2*len(id.User{})+len(`"",`))), '[')
	for i, u := range list {
		if i > 0 {
			raw = append(raw, ',')
		}
		raw = appendUser(raw, u)
	}
	return append(raw, ']')
}

func appendUser(raw wire.Raw, u id.User) wire.Raw {
	raw = append(raw, '"')
	raw = append(raw, u.String()...)
	return append(raw, '"')
}
