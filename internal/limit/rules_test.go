package limit_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"pryde/internal/limit"
)

func TestDefaultsAreThoseOfTheSpecification(t *testing.T) {
	minute, hour, quarter, day := 60.0, 3600.0, 900.0, 86400.0
	message := []limit.Rule{{Rate: 5, Burst: 10}, {Rate: 120 / minute, Burst: 120}}
	want := limit.Rules{
		limit.Global: {{Rate: 800 / quarter, Burst: 800}}, limit.SendMessage: message, limit.Lounge: message, limit.Receipt: {{Rate: 20, Burst: 200}}, limit.Ping: {{Rate: 10, Burst: 50}}, limit.Echo: {{Rate: 10, Burst: 50}},
		limit.SendMessageAddress: {{Rate: 1000, Burst: 4000}}, limit.GetOnlineUsers: {{Rate: 5, Burst: 20}}, limit.Join: {{Rate: 5, Burst: 20}}, limit.Recovery: {{Rate: 10 / minute, Burst: 20}},
		limit.RefreshAddress: {{Rate: 1200 / minute, Burst: 1200}},
		limit.Typing:         {{Rate: 10, Burst: 10}}, limit.LogIn: {{Rate: 10 / quarter, Burst: 10}}, limit.SecondStep: {{Rate: 10 / quarter, Burst: 10}}, limit.SignUp: {{Rate: 5 / hour, Burst: 5}},
		limit.Refresh: {{Rate: 60 / minute, Burst: 60}}, limit.CheckUsername: {{Rate: 30 / quarter, Burst: 30}},
		limit.Search: {{Rate: 100 / quarter, Burst: 100}}, limit.FriendRequest: {{Rate: 20 / hour, Burst: 20}},
		limit.SearchMessages: {{Rate: 100 / quarter, Burst: 100}}, limit.Reaction: {{Rate: 5, Burst: 30}}, limit.Draft: {{Rate: 5, Burst: 30}},
		limit.GroupChange: {{Rate: 1, Burst: 30}}, limit.File: {{Rate: 100, Burst: 2000}},
		limit.Upload: {{Rate: 20 / hour, Burst: 20}}, limit.UploadByUser: {{Rate: 15 / quarter, Burst: 15}, {Rate: 50 / day, Burst: 50}},
	}
	if diff := cmp.Diff(want, limit.Defaults()); diff != "" {
		t.Errorf("defaults differ (-want +got):\n%s", diff)
	}
}

func TestWithReplacesWhatItNames(t *testing.T) {
	got, err := limit.Defaults().With(" send_message=5/1s:10+120/1m , login=20/500ms,")
	if err != nil {
		t.Fatal(err)
	}
	want := limit.Defaults()
	want[limit.LogIn] = []limit.Rule{{Rate: 40, Burst: 20}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rules differ (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]limit.Rule{{Rate: 10.0 / 900, Burst: 10}}, limit.Defaults()[limit.LogIn]); diff != "" {
		t.Errorf("the defaults changed (-want +got):\n%s", diff)
	}
}

func TestWithNamesEveryMistake(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"logn=1/1s", `"logn" is no operation`},
		{"login", "is no rule"},
		{"login=", "is no rule"},
		{"login=5", "is no rule"},
		{"login=0/1s", "is no rule"},
		{"login=-5/1s", "is no rule"},
		{"login=99999999999999999999/1s", "is no rule"},
		{"login=5/", "is no time"},
		{"login=5/1", "is no time"},
		{"login=5/0s", "is no time"},
		{"login=5/1w", "is no time"},
		{"login=5/1.5s", "is no time"},
		{"login=5/999999999999999d", "is no time"},
		{"login=5/1s:", "is no burst"},
		{"login=5/1s:0", "is no burst"},
		{"login=5/1s+", "is no rule"},
		{"login=1/300d:2", "days to refill"},
		{"login=1/1s+1/1s+1/1s+1/1s+1/1s", "more than 4 rules"},
		{"login=1/1s,login=2/1s", "is there twice"},
	} {
		_, err := limit.Defaults().With("typing=1/1s," + c.text + ",nobody=1/1s")
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `"nobody" is no operation`) {
			t.Errorf("%q: got %v, want both %q and the unknown operation named", c.text, err, c.want)
		}
	}
}

func FuzzWith(f *testing.F) {
	f.Add("send_message=5/1s:10+120/1m,login=10/15m")
	f.Add("login=1/1ms:1000000000")
	f.Add("typing==/+:,")
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := limit.Defaults().With(text)
		if (rules == nil) == (err == nil) {
			t.Fatalf("With(%q) = %v, %v; want one of them", text, rules, err)
		}
		for name, rs := range rules {
			for _, r := range rs {
				if !(r.Rate > 0) || r.Burst < 1 || float64(r.Burst)/r.Rate > 367*86400 {
					t.Errorf("With(%q): %s has the rule %+v", text, name, r)
				}
			}
		}
	})
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.SampledFrom([]string{"1", "5", "100"}).Draw(t, "count")
		window := rapid.SampledFrom([]string{"100ms", "1s", "15m", "2h", "3d"}).Draw(t, "window")
		burst := rapid.SampledFrom([]string{"", ":1", ":7"}).Draw(t, "burst")
		rules, err := limit.Defaults().With("login=" + count + "/" + window + burst)
		if err != nil || len(rules[limit.LogIn]) != 1 {
			t.Fatalf("got %v, %v", rules[limit.LogIn], err)
		}
	})
}
