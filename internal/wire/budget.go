package wire

import "pryde/internal/limit"

// A Counted says by whom a budget is counted.
type Counted string

// By whom budgets are counted.
const (
	PerAddress Counted = "address" // the client's IP address, or the /64 network of an IPv6 one
	PerUser    Counted = "user"
	PerSession Counted = "session"
)

// A Budget is one that a route or an event of a client counts against. What both doors offer
// names the same budgets in both, so that it counts the same from either.
type Budget struct {
	Operation string // its name in the configuration
	Per       Counted
}

// byGlobal is the budget of every route that does not say otherwise.
var byGlobal = Budget{limit.Global, PerAddress}

// sending is what a message counts against on either door.
var sending = []Budget{{limit.SendMessageAddress, PerAddress}, {limit.SendMessage, PerUser}}

// receipts is what word of an arrived or read message counts against on either door.
var receipts = Budget{limit.Receipt, PerUser}

// Further budgets of messages and groups.
var (
	reactions = Budget{limit.Reaction, PerUser}
	drafts    = Budget{limit.Draft, PerUser}
	groups    = Budget{limit.GroupChange, PerUser}
)

// limited declares further budgets of a route, in the order in which they are asked.
func limited(budgets ...Budget) func(*RouteSpec) {
	return func(s *RouteSpec) { s.Budgets = append(s.Budgets, budgets...) }
}

// limitedOnly declares all budgets of a route; the global one is left out.
func limitedOnly(budgets ...Budget) func(*RouteSpec) {
	return func(s *RouteSpec) { s.Budgets = budgets }
}

// counts declares the budgets of a client's event, in place of the one that has its name.
func counts(budgets ...Budget) func(*EventSpec) {
	return func(s *EventSpec) { s.Budgets = budgets }
}
