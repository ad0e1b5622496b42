package mongostore

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"pryde/internal/message"
)

func TestRecentAttemptsAreTheNewestWithoutTheirTexts(t *testing.T) {
	s := open(t)
	var sent []message.Waiting
	for i, clientID := range []string{"first", "second", "", "third"} {
		d := draft(i+1, alice, bob, "hello")
		d.ClientID = clientID
		m, _, err := s.Append(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		m.Content = ""
		sent = append(sent, message.Waiting{Message: m, ClientID: clientID})
	}
	if _, _, err := s.DeleteForAll(t.Context(), sent[1].ID, start); err != nil {
		t.Fatal(err)
	}
	odd := bson.D{is("_id", bson.NewObjectID()), is("createdAt", "yesterday")}
	if _, err := s.coll(messagesName).InsertOne(t.Context(), odd); err != nil {
		t.Fatal(err)
	}
	first, third := sent[0], sent[3]
	for name, c := range map[string]struct {
		since message.Waiting
		limit int
		want  []message.Waiting
	}{
		"all":          {first, 10, []message.Waiting{third, first}},
		"since a time": {third, 10, []message.Waiting{third}},
		"a few":        {first, 3, []message.Waiting{third}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := s.Recent(t.Context(), c.since.CreatedAt, c.limit)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("recent attempts differ (-want +got):\n%s", diff)
			}
		})
	}
}
