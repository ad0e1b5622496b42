package main

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/jsonschema-go/jsonschema"

	"pryde/internal/wire"
)

const components = "#/components/schemas/"

type operation struct {
	OperationID string                `json:"operationId"`
	Summary     string                `json:"summary"`
	Description string                `json:"description,omitzero"`
	Tags        []string              `json:"tags"`
	Security    []map[string][]string `json:"security"`
	Parameters  []parameter           `json:"parameters,omitempty"`
	RequestBody *content              `json:"requestBody,omitzero"`
	Responses   object                `json:"responses"`
}

type parameter struct {
	Name        string             `json:"name"`
	In          string             `json:"in"`
	Required    bool               `json:"required"`
	Description string             `json:"description,omitzero"`
	Schema      *jsonschema.Schema `json:"schema"`
}

// content is a request body or a response.
type content struct {
	Description string               `json:"description,omitzero"`
	Content     map[string]mediaType `json:"content,omitempty"`
}

type mediaType struct {
	Schema  *jsonschema.Schema `json:"schema"`
	Example jsontext.Value     `json:"example,omitzero"`
}

// openAPI writes the description of the REST door.
func openAPI(c *catalogue) ([]byte, error) {
	d, err := c.describe(components)
	if err != nil {
		return nil, err
	}
	paths, err := openAPIPaths(c, d)
	if err != nil {
		return nil, err
	}
	problem, err := c.body(d.Problem(), "routes/problem.json")
	if err != nil {
		return nil, err
	}
	problem.Description = "The request was refused; code says why."
	return document(object{
		{"openapi", "3.1.0"},
		{"info", object{
			{"title", "pryde"},
			{"version", "1.0.0"},
			{"description", "The REST door. Paths match without regard to letter case and trailing slash. " +
				"Every answer that is an object carries requestId."},
		}},
		{"paths", paths},
		{"components", object{
			{"securitySchemes", object{
				{"bearer", object{{"type", "http"}, {"scheme", "bearer"}, {"bearerFormat", "JWT"}}},
				{"cookie", object{{"type", "apiKey"}, {"in", "cookie"}, {"name", "refreshToken"}}},
			}},
			{"responses", object{{"Problem", problem}, {"TooManyRequests", tooMany(problem)}}},
			{"schemas", d.Definitions()},
		}},
	})
}

// openAPIPaths lists the paths in the order of the catalogue, aliases behind.
func openAPIPaths(c *catalogue, d *wire.Description) (object, error) {
	var order []string
	methods := map[string]object{}
	add := func(path, method string, op *operation) {
		if methods[path] == nil {
			order = append(order, path)
		}
		methods[path] = append(methods[path], member{strings.ToLower(method), op})
	}
	for _, r := range c.routes {
		op, err := c.operation(d, r)
		if err != nil {
			return nil, err
		}
		add(r.Path, r.Method, op)
		for i, alias := range r.Aliases {
			same := *op
			same.OperationID += "Alias" + strconv.Itoa(i+1)
			same.Summary = fmt.Sprintf("The same as %s.", r)
			add(alias, r.Method, &same)
		}
	}
	var paths object
	for _, path := range order {
		paths = append(paths, member{path, methods[path]})
	}
	return paths, nil
}

func (c *catalogue) operation(d *wire.Description, r *wire.RouteSpec) (*operation, error) {
	answer, err := c.body(d.Answer(r), "routes/"+r.Key()+".answer.json")
	if err != nil {
		return nil, err
	}
	if r.GivesFile {
		answer = binary()
	}
	answer.Description = http.StatusText(r.Status)
	op := &operation{
		OperationID: operationID(r),
		Summary:     r.Doc,
		Tags:        []string{tag(r)},
		Security:    security(r.Access),
		Parameters:  parameters(r),
		Responses:   object{{strconv.Itoa(r.Status), answer}},
	}
	if len(r.Budgets) > 0 {
		op.Description = "Limited by " + budgets(r.Budgets) + "."
		op.Responses = append(op.Responses, member{strconv.Itoa(http.StatusTooManyRequests), object{{"$ref", "#/components/responses/TooManyRequests"}}})
	}
	op.Responses = append(op.Responses, member{"default", object{{"$ref", "#/components/responses/Problem"}}})
	if r.FileField != "" {
		op.RequestBody = form(r.FileField)
	}
	if body := d.Body(r); body != nil {
		if op.RequestBody, err = c.body(body, "routes/"+r.Key()+".body.json"); err != nil {
			return nil, err
		}
	}
	return op, nil
}

// binary describes an answer that is a file.
func binary() *content {
	return &content{Content: map[string]mediaType{"*/*": {Schema: &jsonschema.Schema{Type: "string", Format: "binary"}}}}
}

// form describes a body that brings a file in a field.
func form(field string) *content {
	return &content{Content: map[string]mediaType{"multipart/form-data": {Schema: &jsonschema.Schema{
		Type: "object", Required: []string{field},
		Properties: map[string]*jsonschema.Schema{field: {Type: "string", Format: "binary"}},
	}}}}
}

// tooMany describes the refusal of a request that is one too many.
func tooMany(problem *content) object {
	header := func(about string) object {
		return object{{"description", about}, {"schema", object{{"type", "integer"}}}}
	}
	return object{
		{"description", "Too many requests. The RateLimit headers come with every answer of a limited route."},
		{"headers", object{
			{"Retry-After", header("Seconds until the request may be made again.")},
			{"RateLimit-Limit", header("How many requests a full budget holds.")},
			{"RateLimit-Remaining", header("How many are left.")},
			{"RateLimit-Reset", header("Seconds until the budget is full again.")},
		}},
		{"content", problem.Content},
	}
}

// budgets names the limits of a route as configuration does.
func budgets(all []wire.Budget) string {
	names := make([]string, len(all))
	for i, b := range all {
		names[i] = b.Operation + " (per " + string(b.Per) + ")"
	}
	return strings.Join(names, ", ")
}

// body describes JSON that is sent, with its example; without a schema there is no content.
func (c *catalogue) body(s *jsonschema.Schema, path string) (*content, error) {
	if s == nil {
		return &content{}, nil
	}
	example, err := c.example(path)
	if err != nil {
		return nil, err
	}
	return &content{Content: map[string]mediaType{"application/json": {Schema: s, Example: example}}}, nil
}

func security(a wire.Access) []map[string][]string {
	if a == wire.Public {
		return []map[string][]string{}
	}
	return []map[string][]string{{string(a): {}}}
}

var inBraces = regexp.MustCompile(`\{(\w+)\}`)

func parameters(r *wire.RouteSpec) []parameter {
	text := &jsonschema.Schema{Type: "string"}
	var all []parameter
	for _, name := range inBraces.FindAllStringSubmatch(r.Path, -1) {
		all = append(all, parameter{Name: name[1], In: "path", Required: true, Schema: text})
	}
	for _, p := range r.Query {
		all = append(all, parameter{Name: p.Name, In: "query", Description: p.Doc, Schema: text})
	}
	for _, p := range r.Header {
		all = append(all, parameter{Name: p.Name, In: "header", Description: p.Doc, Schema: text})
	}
	return all
}

// operationID returns putMessagesIdRead for PUT /api/messages/{id}/read.
func operationID(r *wire.RouteSpec) string {
	words := strings.FieldsFunc(strings.TrimPrefix(r.Path, "/api"), func(c rune) bool { return strings.ContainsRune("/-{}.", c) })
	id := strings.ToLower(r.Method)
	for _, w := range words {
		id += strings.ToUpper(w[:1]) + w[1:]
	}
	return id
}

// tag returns the first part of the path.
func tag(r *wire.RouteSpec) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(r.Path, "/api"), "/"), "/")
	return first
}
