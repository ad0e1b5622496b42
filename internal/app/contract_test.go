package app_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pryde/internal/wire"
)

// validate holds what a socket receives to the contract. raw is an event with its name, or an
// acknowledgement without.
func (w *world) validate(event string, raw jsontext.Value) {
	var args []jsontext.Value
	if err := json.Unmarshal(raw, &args); err != nil {
		w.t.Errorf("%s: %s is no array: %v", event, raw, err)
		return
	}
	var name string
	if len(args) > 0 && json.Unmarshal(args[0], &name) == nil && name == event {
		payload := jsontext.Value("null")
		if len(args) > 1 {
			payload = args[1]
		}
		w.valid(wire.ValidateEvent(event, payload))
		w.valid(offsetOf(event, args))
		return
	}
	if len(args) == 1 {
		w.valid(wire.ValidateAck(event, args[0]))
	}
}

func (w *world) valid(err error) {
	if err != nil {
		w.t.Errorf("against the contract: %v", err)
	}
}

// offsetOf checks that durable events end in an offset, and others in no text: the stock
// client would take it for one.
func offsetOf(event string, args []jsontext.Value) error {
	for _, e := range wire.Events() {
		if e.Name != event || e.Direction != wire.FromServer {
			continue
		}
		// A repeat tells of nothing new.
		repeat := (event == wire.MessageSent.Name() || event == wire.GroupMessageNew.Name()) && len(args) == 2
		switch {
		case !e.Durable && len(args) != 2:
			return fmt.Errorf("%s has %d arguments", event, len(args)-1)
		case !e.Durable || repeat:
			return nil
		case len(args) != 3:
			return fmt.Errorf("%s has no offset", event)
		}
		var s string
		if err := json.Unmarshal(args[2], &s); err != nil {
			return err
		}
		_, err := wire.ParseOffset(s)
		return err
	}
	return nil
}

// routeOf returns the pattern of the declared route that answers a request; one without
// parameters comes first.
func routeOf(method, path string) string {
	best := ""
	for _, r := range wire.Routes() {
		for _, pattern := range append([]string{r.Path}, r.Aliases...) {
			if r.Method == method && matches(pattern, path) && (best == "" || strings.Count(pattern, "{") < strings.Count(best, "{")) {
				best = pattern
			}
		}
	}
	return best
}

func matches(pattern, path string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(strings.TrimSuffix(path, "/"), "/")
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		if !strings.HasPrefix(want[i], "{") && !strings.EqualFold(want[i], got[i]) {
			return false
		}
	}
	return true
}

var inBraces = regexp.MustCompile(`\{\w+\}`)

// TestEveryRouteOfTheCatalogueAnswers asks each declared route without credentials: none is
// missing, and those that want a token say so.
func TestEveryRouteOfTheCatalogueAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, r := range wire.Routes() {
		for _, pattern := range append([]string{r.Path}, r.Aliases...) {
			path := inBraces.ReplaceAllString(pattern, strings.Repeat("0", 23)+"1")
			got, err := w.rest().Do(w.ctx(), r.Method, path, nil)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case got.Status == http.StatusNotFound && decode[wire.Problem](t, got.Body).Code == "ENDPOINT_NOT_FOUND":
				t.Errorf("%s %s is not bound", r.Method, path)
			case r.Access == wire.Bearer && got.Status != http.StatusUnauthorized:
				t.Errorf("%s %s without a token answered %d %s", r.Method, path, got.Status, got.Body)
			}
		}
	}
}
