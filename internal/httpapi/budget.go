package httpapi

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"pryde/internal/auth"
	"pryde/internal/fault"
	"pryde/internal/limit"
	"pryde/internal/wire"
)

// A budget counts one request, and tells the client in headers how much is left of what is
// closest to its end.
type budget struct {
	api   *API
	w     http.ResponseWriter
	r     *http.Request
	least int // of what has been told; meaningless before
	told  bool
}

// take counts the request against budgets, and refuses what is too much for one of them.
func (b *budget) take(budgets []wire.Budget, who auth.Identity) error {
	for _, one := range budgets {
		v := b.api.o.Limiter.Take(one.Operation, b.key(one.Per, who))
		b.tell(v)
		if !v.Allowed {
			return limited{fault.RateLimited("RATE_LIMITED", "Too many requests, please try again later", v.RetryAfter), v.Window}
		}
	}
	return nil
}

// A limited is the refusal of one request too many, and the time in which the budget fills.
type limited struct {
	*fault.Fault
	window time.Duration
}

// Unwrap lets the fault be found.
func (l limited) Unwrap() error { return l.Fault }

func (b *budget) key(per wire.Counted, who auth.Identity) string {
	address := limit.AddressKey(b.api.client(b.r))
	switch per {
	case wire.PerUser:
		return who.User.String()
	case wire.PerSession:
		if who.Session != "" {
			return who.Session
		}
		// The token alone says which budget counts; whether the session lives is asked later.
		if holder, err := b.api.o.Verifier.Holder(refreshToken(b.r)); err == nil {
			return holder.Session
		}
		return address
	default:
		return address
	}
}

// tell writes the RateLimit headers of draft 6.
func (b *budget) tell(v limit.Verdict) {
	if v.Limit == 0 || b.told && v.Allowed && v.Remaining >= b.least {
		return
	}
	b.told, b.least = true, v.Remaining
	h := b.w.Header()
	h.Set("RateLimit-Policy", v.Policy)
	h.Set("RateLimit-Limit", strconv.Itoa(v.Limit))
	h.Set("RateLimit-Remaining", strconv.Itoa(v.Remaining))
	h.Set("RateLimit-Reset", strconv.Itoa(seconds(v.Reset)))
}

// seconds rounds up, so that nobody comes back too early.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
