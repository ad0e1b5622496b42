package wire

import "strings"

// Key returns the event's name as part of a file's name: full stops stand in place of the
// colons. Where both sides send an event of this name, the client's has ".request" at its end.
// Its example is testdata/events/<key>.json, its acknowledgement's <key>.ack.json.
func (s *EventSpec) Key() string {
	key := strings.ReplaceAll(s.Name, ":", ".")
	if s.Direction == FromClient && eventNamed(s.Name, FromServer) != nil {
		key += ".request"
	}
	return key
}

// Key returns the route as part of a file's name, such as put.api.messages.id.read. Its
// examples are testdata/routes/<key>.body.json and <key>.answer.json.
func (s *RouteSpec) Key() string {
	return strings.ToLower(s.Method) + strings.NewReplacer("/", ".", "{", "", "}", "").Replace(s.Path)
}

// String returns the method and the path.
func (s *RouteSpec) String() string { return s.Method + " " + s.Path }

func eventNamed(name string, d Direction) *EventSpec {
	for _, s := range declared.events {
		if s.Name == name && s.Direction == d {
			return s
		}
	}
	return nil
}
