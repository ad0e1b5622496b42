package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pryde/internal/limit"
	"pryde/internal/testkit"
)

func TestOneAndFlatMeasureTheRealBinary(t *testing.T) {
	binary, err := testkit.Build{}.Into(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	temporary, out := t.TempDir(), filepath.Join(t.TempDir(), "new", "bench.json")
	var stdout, stderr bytes.Buffer

	code := run(t.Context(), []string{
		"-binary", binary, "-out", out, "-dir", temporary, "-only", "one,flat",
		"-one", "50", "-flat", "1s", "-flat-senders", "4",
	}, &stdout, &stderr)

	if code != 0 {
		t.Fatalf("exit code %d:\n%s%s", code, &stdout, &stderr)
	}
	values := written(t, out)
	for _, name := range []string{"one ack p50", "one ack p99", "one message:new p50", "flat acked, window 1", "flat acked, window 8"} {
		if !(values[name] > 0) {
			t.Errorf("%s is %v, want more than 0", name, values[name])
		}
	}
	if values["one ack p50"] > values["one ack p99"] {
		t.Errorf("p50 %v is above p99 %v", values["one ack p50"], values["one ack p99"])
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("%v is left of the temporary data (%v)", left, err)
	}
}

func TestLoginLimitsAndConnectMeasureTheRealBinary(t *testing.T) {
	binary, err := testkit.Build{}.Into(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	temporary, out := t.TempDir(), filepath.Join(t.TempDir(), "bench.json")
	var stdout, stderr bytes.Buffer

	code := run(t.Context(), []string{
		"-binary", binary, "-out", out, "-dir", temporary, "-only", "login,limits,connect",
		"-talkers", "4", "-login", "1s", "-login-rate", "400", "-limits", "3s", "-connects", "40", "-rounds", "2",
	}, &stdout, &stderr)

	if code != 0 {
		t.Fatalf("exit code %d:\n%s%s", code, &stdout, &stderr)
	}
	values := written(t, out)
	for _, name := range []string{
		"login ack p99, logins beside / quiet", "login logins admitted", "login login admitted p50", "login logins refused with 503",
		"limits rate", "connect 40 people connected and greeted", "connect server processor per connect",
	} {
		if !(values[name] > 0) {
			t.Errorf("%s is %v, want more than 0", name, values[name])
		}
	}
	for _, name := range []string{"login logins without an answer in 30s", "limits refused below the limit"} {
		if got, measured := values[name]; got != 0 || !measured {
			t.Errorf("%s is %v (measured: %v), want 0", name, got, measured)
		}
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("%v is left of the temporary data (%v)", left, err)
	}
}

func TestThePaceStaysBelowTheDefaultLimitsAndNotFar(t *testing.T) {
	now := time.Unix(1_000_000_000, 0)
	limiter, err := limit.New(limit.Options{Rules: limit.Defaults(), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	p := pace{brisk: briskFor, span: 5 * time.Minute}
	inAMinute := burst

	for range burst {
		if !limiter.Take(limit.SendMessage, "ann").Allowed {
			t.Fatal("the burst is refused")
		}
	}
	var at time.Duration
	for n := 1; at < p.span; n++ {
		at += p.gap(n)
		now = now.Add(p.gap(n))
		if !limiter.Take(limit.SendMessage, "ann").Allowed {
			t.Fatalf("message %d, after %v, is refused", n, at)
		}
		if at < time.Minute {
			inAMinute++
		}
	}

	if inAMinute < 100 || inAMinute >= 120 {
		t.Errorf("%d messages in the first minute, want some below 120", inAMinute)
	}
}

func TestAGreetingIsWholeWithAllOfItsParts(t *testing.T) {
	event := func(name, payload string) testkit.Event {
		return testkit.Event{Name: name, Args: []jsontext.Value{jsontext.Value(payload)}, At: time.Unix(1, 0)}
	}
	joined, count := event("room:joined", `{}`), event("global_chat:online_count", `{"count":2}`)
	list, others := event("online_users", `["bob","ann"]`), event("online_users", `["bob"]`)
	for name, c := range map[string]struct {
		heard []testkit.Event
		want  bool
	}{
		"whole":             {[]testkit.Event{joined, count, list}, true},
		"in another order":  {[]testkit.Event{list, joined, joined, count, count}, true},
		"without the room":  {[]testkit.Event{count, list}, false},
		"without the count": {[]testkit.Event{joined, list}, false},
		"without the list":  {[]testkit.Event{joined, count}, false},
		"not on the list":   {[]testkit.Event{joined, count, others}, false},
	} {
		g := greeting{own: []byte(`"ann"`), whole: make(chan struct{})}
		for _, e := range c.heard {
			g.hear(e)
		}

		select {
		case <-g.whole:
			if !c.want {
				t.Errorf("%s: the greeting counts as whole", name)
			}
		default:
			if c.want {
				t.Errorf("%s: the greeting does not count as whole", name)
			}
		}
	}
}

// written reads the values of a report, by scenario and name.
func written(t *testing.T, path string) map[string]float64 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, f := range r.Figures {
		if f.Value != nil {
			values[f.Scenario+" "+f.Name] = *f.Value
		}
	}
	return values
}

func TestUnknownScenariosAreRefused(t *testing.T) {
	var stdout, stderr bytes.Buffer

	code := run(t.Context(), []string{"-only", "one,two"}, &stdout, &stderr)

	if code != 2 || !strings.Contains(stderr.String(), `"two"`) {
		t.Errorf("exit code %d and %q, want 2 and the wrong name", code, &stderr)
	}
}

func TestAGoalIsMetUpToItsBound(t *testing.T) {
	for _, c := range []struct {
		figure figure
		want   bool
	}{
		{millis("", 2*time.Millisecond, 1).atMost(2), true},
		{millis("", 2001*time.Microsecond, 1).atMost(2), false},
		{measured("", 2000, "", 1).atLeast(2000), true},
		{measured("", 1999, "", 1).atLeast(2000), false},
		{missing("", "ms", "").atMost(2), false},
	} {
		if got := *c.figure.Met; got != c.want {
			t.Errorf("%v with goal %s is met: %v, want %v", c.figure.Value, c.figure.Goal, got, c.want)
		}
	}
}

func TestLoginsAreHeldToQuietOnlyWhereItWasQuiet(t *testing.T) {
	ratio := measured("", 3.5, "times", 1)

	if f := held(ratio, maxQuietLate); f.Met == nil || *f.Met {
		t.Errorf("%+v, want a goal that is missed", f)
	}
	if f := held(ratio, maxQuietLate+1); f.Met != nil || !strings.Contains(f.Note, "not judged") {
		t.Errorf("%+v, want no judgement", f)
	}
}

func TestAScheduleKeepsItsRateAndIsNotEven(t *testing.T) {
	s := schedule{rate: 500, rng: rand.New(rand.NewPCG(seed, 0))}
	const n = 20_000
	var sum, short time.Duration
	for range n {
		g := s.gap()
		sum += g
		if g < time.Millisecond/2 {
			short++
		}
	}

	if mean := sum / n; mean < 1900*time.Microsecond || mean > 2100*time.Microsecond {
		t.Errorf("the mean gap is %v, want about 2ms", mean)
	}
	// Of exponential gaps with a mean of 2 ms, 22% are below half a millisecond.
	if short < n/5 || short > n/4 {
		t.Errorf("%d of %d gaps are short, want about 22%%", short, n)
	}
}
