package main

// A goal bounds a figure of ours: by itself, or in relation to that of another system.
type goal struct {
	name string
	key  string
	// against names the other system. The number that is judged is ours divided by its own, or
	// the other way round where a small figure is the better one and inverse is set.
	against string
	inverse bool

	least bool // the bound is the least that is wanted; else the most
	bound float64

	// outOf names the figure that says out of how many, where the goal is about as many connects
	// as are configured.
	outOf string
}

// goals are those that the engine has to reach.
var goals = []goal{
	{name: "memory of an idle connection, engine alone, KiB", key: "idle.rss", bound: 9},
	{name: "the same, next goal", key: "idle.rss", bound: 8},
	{name: "growth by waves of connections", key: "idle.growth", bound: 1.1},
	{name: "memory of an idle connection to the whole product, KiB", key: "product.rss", bound: 11},
	{name: "the same, next goal", key: "product.rss", bound: 10},
	{name: "growth by waves of connections, whole product", key: "product.growth", bound: 1.1},
	{name: "deliveries per second of processor, flat out, to Node", key: "room.perCPU", against: node, least: true, bound: 3},
	{name: "deliveries per second of processor, paced, to Node", key: "paced.cpu", against: node, inverse: true, least: true, bound: 1.4},
	{name: "p99 of these deliveries, to Node", key: "paced.p99", against: node, bound: 1},
	{name: "p99 of these deliveries, ms", key: "paced.p99", bound: 50},
	{name: "the same in the large room, to Node", key: "pacedLarge.cpu", against: node, inverse: true, least: true, bound: 1.4},
	{name: "p99 in the large room, to Node", key: "pacedLarge.p99", against: node, bound: 1},
	{name: "p99 in the large room, ms", key: "pacedLarge.p99", bound: 50},
	{name: "echo at 1 connection, to Node", key: "echo1.rate", against: node, least: true, bound: 1.1},
	{name: "its p99, to Node", key: "echo1.p99", against: node, bound: 1},
	{name: "echo at 100 connections, to Node", key: "echo100.rate", against: node, least: true, bound: 2.5},
	{name: "its p99, to Node", key: "echo100.p99", against: node, bound: 1},
	{name: "echo at 1,000 connections, to Node", key: "echo1000.rate", against: node, least: true, bound: 2.5},
	{name: "its p99, to Node", key: "echo1000.p99", against: node, bound: 1},
	{name: "connects a second, to Node", key: "connects.rate", against: node, least: true, bound: 3},
	{name: "connects without an answer, 1 processor", key: "connects.unanswered", bound: 0, outOf: "connects.made"},
	{name: "connects without an answer, 2 processors", key: "connects2.unanswered", bound: 0, outOf: "connects2.made"},
}

// A verdict says whether a goal was met.
type verdict struct {
	Name     string  `json:"name"`
	Wanted   string  `json:"wanted"`
	Measured float64 `json:"measured"`
	Met      bool    `json:"met"`
}

// judge holds the goal to what was measured. ok is false where that was not, or less often than
// is configured.
func (g goal) judge(c config, value func(key, system string) (float64, bool)) (v verdict, ok bool) {
	measured, ok := value(g.key, ours)
	if !ok {
		return verdict{}, false
	}
	if g.outOf != "" {
		if made, _ := value(g.outOf, ours); made < float64(c.connects) {
			return verdict{}, false
		}
	}
	unit := ""
	if g.against != "" {
		theirs, ok := value(g.key, g.against)
		if !ok || theirs == 0 || measured == 0 {
			return verdict{}, false
		}
		if g.inverse {
			measured, theirs = theirs, measured
		}
		measured, unit = measured/theirs, "x"
	}
	v = verdict{Name: g.name, Measured: measured}
	if g.least {
		v.Wanted, v.Met = ">= "+number(g.bound)+unit, measured >= g.bound
	} else {
		v.Wanted, v.Met = "<= "+number(g.bound)+unit, measured <= g.bound
	}
	return v, true
}
