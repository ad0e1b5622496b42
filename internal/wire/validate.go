package wire

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/google/jsonschema-go/jsonschema"
)

// ValidateEvent checks the payload of an event against the catalogue: of the server's event of
// this name, or of the client's where the server has none. Its errors quote what they refuse,
// so that it serves tests and not the product.
func ValidateEvent(name string, payload []byte) error {
	e := eventNamed(name, FromServer)
	if e == nil {
		e = eventNamed(name, FromClient)
	}
	if e == nil {
		return fmt.Errorf("event %q is not declared", name)
	}
	return e.Validate(payload)
}

// Validate checks a payload like ValidateEvent.
func (s *EventSpec) Validate(payload []byte) error {
	v, err := validators()
	if err != nil {
		return err
	}
	return check("event "+s.Name, v.payloads[s], payload)
}

// ValidateAck checks what acknowledges a client's event: its acknowledgement, or a Failure.
func ValidateAck(event string, ack []byte) error {
	e := eventNamed(event, FromClient)
	if e == nil {
		return fmt.Errorf("clients send no event %q", event)
	}
	v, err := validators()
	if err != nil {
		return err
	}
	if v.acks[e] == nil {
		return fmt.Errorf("event %s is not acknowledged", event)
	}
	var refused struct {
		Error any `json:"error"`
	}
	if err := json.Unmarshal(ack, &refused); err == nil && refused.Error != nil {
		return check("refusal of "+event, v.failure, ack)
	}
	return check("acknowledgement of "+event, v.acks[e], ack)
}

// ValidateAnswer checks the answer to a request. pattern is the path of a declared route or
// one of its aliases, parameters in braces; a refusal, which is a Problem everywhere, needs
// none that is declared. Every object carries a requestId. A success has the route's status,
// or 200.
func ValidateAnswer(method, pattern string, status int, body []byte) error {
	v, err := validators()
	if err != nil {
		return err
	}
	what := fmt.Sprintf("answer %d of %s %s", status, method, pattern)
	if status >= http.StatusBadRequest {
		return check(what, v.problem, body)
	}
	r := routeAt(method, pattern)
	if r == nil {
		return fmt.Errorf("%s: the route is not declared", what)
	}
	if status != r.Status && status != http.StatusOK {
		return fmt.Errorf("%s: the route's status is %d", what, r.Status)
	}
	return check(what, v.answers[r], body)
}

// ValidateBody checks the body of a request. pattern is as in ValidateAnswer.
func ValidateBody(method, pattern string, body []byte) error {
	v, err := validators()
	if err != nil {
		return err
	}
	r := routeAt(method, pattern)
	if r == nil {
		return fmt.Errorf("%s %s: the route is not declared", method, pattern)
	}
	return check("body of "+r.String(), v.bodies[r], body)
}

func routeAt(method, pattern string) *RouteSpec {
	for _, r := range declared.routes {
		if r.Method == method && (r.Path == pattern || slices.Contains(r.Aliases, pattern)) {
			return r
		}
	}
	return nil
}

type validator struct {
	payloads, acks   map[*EventSpec]*jsonschema.Resolved // nil where there is none
	bodies, answers  map[*RouteSpec]*jsonschema.Resolved // nil where there is none
	failure, problem *jsonschema.Resolved
}

var validators = sync.OnceValues(func() (*validator, error) {
	d, err := Describe("#/$defs/")
	if err != nil {
		return nil, err
	}
	var errs []error
	resolve := func(s *jsonschema.Schema) *jsonschema.Resolved {
		if s == nil {
			return nil
		}
		s.Defs = d.Definitions()
		r, err := s.Resolve(nil)
		errs = append(errs, err)
		return r
	}
	v := &validator{
		payloads: map[*EventSpec]*jsonschema.Resolved{}, acks: map[*EventSpec]*jsonschema.Resolved{},
		bodies: map[*RouteSpec]*jsonschema.Resolved{}, answers: map[*RouteSpec]*jsonschema.Resolved{},
		failure: resolve(d.Failure()), problem: resolve(d.Problem()),
	}
	for _, e := range declared.events {
		v.payloads[e], v.acks[e] = resolve(d.Payload(e)), resolve(d.Ack(e))
	}
	for _, r := range declared.routes {
		v.bodies[r], v.answers[r] = resolve(d.Body(r)), resolve(d.Answer(r))
	}
	return v, errors.Join(errs...)
})

// check validates JSON; without a schema there must be nothing to validate.
func check(what string, schema *jsonschema.Resolved, raw []byte) error {
	if schema == nil {
		if len(raw) != 0 {
			return fmt.Errorf("%s: there is none, got %s", what, raw)
		}
		return nil
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := schema.Validate(v); err != nil {
		return fmt.Errorf("%s: %w\n%s", what, err, raw)
	}
	return nil
}
