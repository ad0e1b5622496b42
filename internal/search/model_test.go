package search_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"pryde/internal/id"
)

// A model knows what a search must find, by looking at everything.
type model struct {
	*world
	people []id.User
	groups []id.Group
	in     map[id.Group]map[id.User]bool
	said   []*saying
}

// A saying is a message, and who cannot see it any more although they take part.
type saying struct {
	id     id.Message
	from   id.User
	to     id.User
	group  id.Group
	words  []string
	hidden map[id.User]bool
	gone   bool
}

func (m *model) sees(u id.User, s *saying) bool {
	if s.gone || s.hidden[u] {
		return false
	}
	if !s.group.IsZero() {
		return m.in[s.group][u]
	}
	return u == s.from || u == s.to
}

// expect is what somebody must find, newest first.
func (m *model) expect(u id.User, words []string) []id.Message {
	var ids []id.Message
	for _, s := range slices.Backward(m.said) {
		holds := !slices.ContainsFunc(words, func(w string) bool {
			return !slices.ContainsFunc(s.words, func(v string) bool { return v == w || w[0] >= 0x80 && strings.Contains(v, w) })
		})
		if holds && m.sees(u, s) {
			ids = append(ids, s.id)
		}
	}
	return ids
}

var vocabulary = rapid.SampledFrom([]string{"ab", "cd", "ef", "gh", "東京", "東京都", "京都", "都", "x1"})

func someWords(t *rapid.T) []string { return rapid.SliceOfN(vocabulary, 1, 4).Draw(t, "words") }

func (m *model) someone(t *rapid.T) id.User { return rapid.SampledFrom(m.people).Draw(t, "who") }

func (m *model) say(t *rapid.T) {
	s := &saying{from: m.someone(t), words: someWords(t), hidden: map[id.User]bool{}}
	d := m.draft(s.from, strings.Join(s.words, " "))
	if g := rapid.SampledFrom(m.groups).Draw(t, "group"); m.in[g][s.from] && rapid.Bool().Draw(t, "to the group") {
		d.Group, s.group = g, g
	} else {
		s.to = m.someone(t)
		d.Recipient = s.to
	}
	s.id = m.append(d).ID
	m.said = append(m.said, s)
}

// one picks a message that its sender may change.
func (m *model) one(t *rapid.T) *saying {
	var may []*saying
	for _, s := range m.said {
		if !s.gone && (s.group.IsZero() || m.in[s.group][s.from]) {
			may = append(may, s)
		}
	}
	if len(may) == 0 {
		t.Skip("nothing to change")
	}
	return rapid.SampledFrom(may).Draw(t, "message")
}

func (m *model) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"say":       m.say,
		"say again": m.say,
		"edit": func(t *rapid.T) {
			s := m.one(t)
			s.words = someWords(t)
			m.edit(s.id, strings.Join(s.words, " "))
		},
		"delete for all": func(t *rapid.T) {
			s := m.one(t)
			s.gone = true
			m.deleteForAll(s.id)
		},
		"delete for self": func(t *rapid.T) {
			s := m.one(t)
			s.hidden[s.from] = true
			m.deleteForSelf(s.id, s.from)
		},
		"clear": func(t *rapid.T) {
			s := m.one(t)
			conversation := func(o *saying) bool {
				return o.group == s.group && (!s.group.IsZero() || o.from == s.from && o.to == s.to || o.from == s.to && o.to == s.from)
			}
			var err error
			if s.group.IsZero() {
				err = m.store.Clear(m.t.Context(), s.from, s.to)
			} else {
				err = m.store.ClearGroup(m.t.Context(), s.group, s.from)
			}
			if err != nil {
				t.Fatalf("clear: %v", err)
			}
			for _, o := range m.said {
				if conversation(o) {
					o.hidden[s.from] = true
				}
			}
		},
		"enter or leave": func(t *rapid.T) {
			g, u := rapid.SampledFrom(m.groups).Draw(t, "group"), rapid.SampledFrom(m.people[1:]).Draw(t, "who")
			if m.in[g][u] = !m.in[g][u]; m.in[g][u] {
				m.enter(g, u)
			} else {
				m.leave(g, u)
			}
		},
		"index": func(t *rapid.T) { m.index(m.someone(t), rapid.IntRange(1, 6).Draw(t, "size")) },
		"drop": func(t *rapid.T) {
			if err := m.store.DropSegments(m.t.Context(), m.someone(t)); err != nil {
				t.Fatalf("drop an index: %v", err)
			}
		},
		"": func(t *rapid.T) {
			u, words, limit := m.someone(t), someWords(t)[:1], rapid.IntRange(1, 5).Draw(t, "limit")
			if rapid.Bool().Draw(t, "two words") {
				words = append(words, vocabulary.Draw(t, "word"))
			}
			if got, want := m.find(u, strings.Join(words, " "), limit), m.expect(u, words); !slices.Equal(got, want) {
				t.Fatalf("%v finds %v by pages of %d, want %v", words, got, limit, want)
			}
		},
	}
}

// TestASearchFindsExactlyWhatAReaderCanSee compares with a recount after each of many operations.
func TestASearchFindsExactlyWhatAReaderCanSee(t *testing.T) {
	w := newWorld(t)
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		// New people know nothing of those of the run before.
		runs++
		m := &model{world: &world{t: t, store: w.store, options: w.options, service: w.service, sent: w.sent, formed: w.formed}, in: map[id.Group]map[id.User]bool{}}
		for i := range 4 {
			m.people = append(m.people, user(100*runs+i))
		}
		for range 2 {
			g := m.newGroup(m.people[0], m.people[1])
			m.groups = append(m.groups, g)
			m.in[g] = map[id.User]bool{m.people[0]: true, m.people[1]: true}
		}
		t.Repeat(m.actions())
		w.sent, w.formed = m.sent, m.formed
	})
}
