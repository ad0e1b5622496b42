package wire

import (
	"net/http"
	"reflect"
)

// Access says what a request has to show.
type Access string

// The ways into a route.
const (
	Public Access = "public" // nothing
	Bearer Access = "bearer" // an access token
	Cookie Access = "cookie" // the refresh cookie; the Origin is checked
)

// A Route is one operation of the REST door: it takes an In as its body and answers an Out.
type Route[In, Out any] struct{ spec *RouteSpec }

// Spec returns the route's description.
func (r Route[In, Out]) Spec() *RouteSpec { return r.spec }

// A RouteSpec describes one route to the door, the generator and the tests.
type RouteSpec struct {
	Method  string
	Path    string   // with {parameters}, below the server's root
	Aliases []string // further paths of the same route
	Doc     string
	Access  Access
	Status  int      // of success
	Budgets []Budget // that a request counts against, in the order in which they are asked
	Query   []Param
	Header  []Param
	Body    reflect.Type // None where there is none
	Answer  reflect.Type // None where there is none

	FileField string // of a body that is multipart/form-data and brings a file; empty where none does
	GivesFile bool   // the answer is a file
}

// A Param is a parameter in the query or a header.
type Param struct{ Name, Doc string }

func route[In, Out any](method, path string, access Access, doc string, more ...func(*RouteSpec)) Route[In, Out] {
	s := &RouteSpec{
		Method: method, Path: path, Doc: doc, Access: access, Status: http.StatusOK,
		Budgets: []Budget{byGlobal},
		Body:    reflect.TypeFor[In](), Answer: reflect.TypeFor[Out](),
	}
	for _, m := range more {
		m(s)
	}
	declared.routes = append(declared.routes, s)
	return Route[In, Out]{s}
}

func also(paths ...string) func(*RouteSpec) { return func(s *RouteSpec) { s.Aliases = paths } }
func created(s *RouteSpec)                  { s.Status = http.StatusCreated }

func query(name, doc string) func(*RouteSpec) {
	return func(s *RouteSpec) { s.Query = append(s.Query, Param{name, doc}) }
}

func header(name, doc string) func(*RouteSpec) {
	return func(s *RouteSpec) { s.Header = append(s.Header, Param{name, doc}) }
}

// paged declares the parameters of every list.
func paged(s *RouteSpec) {
	query("limit", "How many rows, counted from the newest; 50 by default, at most 100.")(s)
	query("before", "A message id: only what is older. The next one is in the header X-Next-Cursor.")(s)
}
