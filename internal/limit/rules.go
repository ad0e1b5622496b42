package limit

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The operations that are limited, and by whom they are counted.
const (
	Global             = "global"               // every request whose route is not exempt, per address
	SendMessage        = "send_message"         // a message from either door, per user
	SendMessageAddress = "send_message_address" // the same, per address
	Reaction           = "reaction"             // per user
	Draft              = "draft"                // what was written and not sent is kept, per user
	GroupChange        = "group"                // a group is founded or changed, per user
	Receipt            = "receipt"              // that a message arrived or was read, from either door, per user
	Ping               = "ping"                 // per user
	Echo               = "echo"                 // per user
	Lounge             = "lounge"               // a line in the lounge, per user
	Typing             = "typing"               // per user
	GetOnlineUsers     = "get_online_users"     // per user
	Join               = "join"                 // per user
	Recovery           = "recovery"             // a socket that comes back and asks for what it missed, per user
	LogIn              = "login"                // per address
	SecondStep         = "second_step"          // the second step of a login, per address
	SignUp             = "signup"               // per address
	Refresh            = "refresh"              // per session
	RefreshAddress     = "refresh_address"      // the same, per address
	CheckUsername      = "check_username"       // per address
	Search             = "search"               // for people, per user
	SearchMessages     = "search_messages"      // per user
	FriendRequest      = "friend_request"       // per user
	Upload             = "upload"               // per address
	UploadByUser       = "upload_user"          // per user
	File               = "file"                 // a stored file is fetched, per address
)

// defaults are the rules where configuration says nothing else. What is counted per address
// beside a count per user is wide enough for some hundred people behind one address.
const defaults = `global=800/15m,send_message=5/1s:10+120/1m,send_message_address=1000/1s:4000,reaction=5/1s:30,draft=5/1s:30,group=1/1s:30,receipt=20/1s:200,ping=10/1s:50,echo=10/1s:50,lounge=5/1s:10+120/1m,typing=10/1s,` +
	`get_online_users=5/1s:20,join=5/1s:20,recovery=10/1m:20,login=10/15m,second_step=10/15m,signup=5/1h,refresh=60/1m,refresh_address=1200/1m,check_username=30/15m,` +
	`search=100/15m,search_messages=100/15m,friend_request=20/1h,upload=20/1h,upload_user=15/15m+50/1d,file=100/1s:2000`

const (
	// maxCount bounds the count and the burst of a rule.
	maxCount = 1_000_000_000
	// maxRefill bounds how long an empty bucket may take to fill.
	maxRefill = 366 * 24 * time.Hour
	// maxRules bounds how many rules one operation has.
	maxRules = 4
)

// A Rule is a token bucket: Burst tokens at most, refilled at Rate tokens a second.
type Rule struct {
	Rate  float64
	Burst int
}

// Rules are the rules of each operation. All of an operation's rules hold at once.
type Rules map[string][]Rule

// Defaults returns the rules where configuration says nothing else.
func Defaults() Rules {
	rules, err := parse(defaults, nil)
	if err != nil {
		panic(err) // a constant, which the tests read
	}
	return rules
}

// With returns rules in which text replaces those of the operations it names. It reads like
// "send_message=5/1s:10+120/1m,login=10/15m": an operation, a count and the time in which
// the bucket gets that many tokens (a whole number of ms, s, m, h or d), the burst where it is
// not the count, and further rules of the same operation after "+". The error names every
// mistake; an operation that r does not have is one.
func (r Rules) With(text string) (Rules, error) {
	changes, err := parse(text, r)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(r)
	maps.Copy(all, changes)
	return all, nil
}

// parse reads rules of operations that known has; nil knows all.
func parse(text string, known Rules) (Rules, error) {
	rules := make(Rules)
	var mistakes []error
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		name, list, _ := strings.Cut(part, "=")
		parsed, err := parseRules(list)
		switch _, ok := known[name]; {
		case known != nil && !ok:
			err = fmt.Errorf("%q is no operation; there are %s", name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		case err != nil:
			err = fmt.Errorf("%s: %w", name, err)
		case rules[name] != nil:
			err = fmt.Errorf("%s: is there twice", name)
		}
		if err != nil {
			mistakes = append(mistakes, err)
			continue
		}
		rules[name] = parsed
	}
	return rules, errors.Join(mistakes...)
}

func parseRules(list string) ([]Rule, error) {
	var rules []Rule
	for one := range strings.SplitSeq(list, "+") {
		r, err := parseRule(strings.TrimSpace(one))
		if err != nil {
			return nil, err
		}
		rules = append(rules, r)
	}
	if len(rules) > maxRules {
		return nil, fmt.Errorf("more than %d rules", maxRules)
	}
	return rules, nil
}

func parseRule(s string) (Rule, error) {
	countText, rest, ok := strings.Cut(s, "/")
	windowText, burstText, hasBurst := strings.Cut(rest, ":")
	count, err := strconv.Atoi(countText)
	if !ok || err != nil || count < 1 || count > maxCount {
		return Rule{}, fmt.Errorf("%q is no rule such as 5/1s or 5/1s:10", s)
	}
	window, err := parseWindow(windowText)
	if err != nil {
		return Rule{}, err
	}
	burst := count
	if hasBurst {
		if burst, err = strconv.Atoi(burstText); err != nil || burst < 1 || burst > maxCount {
			return Rule{}, fmt.Errorf("%q is no burst: a whole number from 1 up", burstText)
		}
	}
	r := Rule{Rate: float64(count) / window.Seconds(), Burst: burst}
	if float64(burst)/r.Rate > maxRefill.Seconds() {
		return Rule{}, fmt.Errorf("%q takes more than %d days to refill", s, maxRefill/(24*time.Hour))
	}
	return r, nil
}

var units = []struct {
	suffix string
	length time.Duration
}{{"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}}

func parseWindow(s string) (time.Duration, error) {
	for _, u := range units {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err == nil && n > 0 && n <= int64(maxRefill/u.length) {
			return time.Duration(n) * u.length, nil
		}
	}
	return 0, fmt.Errorf("%q is no time such as 500ms, 10s, 15m, 1h or 1d", s)
}

// times returns the rule with factor times the tokens.
func (r Rule) times(factor float64) Rule {
	burst := math.Ceil(float64(r.Burst) * factor)
	return Rule{Rate: r.Rate * factor, Burst: int(min(max(burst, 1), maxCount))}
}
