package socketio

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A poller is a client on HTTP long-polling.
type poller struct {
	t   *testing.T
	url string
}

func (p poller) do(method, body string) string {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.url, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		p.t.Fatalf("answered %d %s, %v", response.StatusCode, answer, err)
	}
	return string(answer)
}

func TestASocketMayPoll(t *testing.T) {
	reasons := make(chan Reason, 1)
	e := serve(t, Config{Polling: true}, &stub{
		connected: func(_ context.Context, s *Socket) {
			s.Emit(NewFrame("over", appendText(nil, s.Transport())))
		},
		event:        back,
		disconnected: func(_ *Socket, r Reason) { reasons <- r },
	})
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	p := poller{t, e.url + "?EIO=4&transport=polling"}
	var open struct{ SID string }
	if err := json.Unmarshal([]byte(p.do(http.MethodGet, "")[1:]), &open); err != nil {
		t.Fatal(err)
	}
	p.url += "&sid=" + open.SID

	p.do(http.MethodPost, "40")
	got := p.do(http.MethodGet, "")
	if !strings.Contains(got, `42["over"`) {
		got += "\x1e" + p.do(http.MethodGet, "")
	}
	if !strings.HasPrefix(got, `40{"sid":"`) || !strings.HasSuffix(got, "\x1e"+`42["over","polling"]`) {
		t.Errorf("connect answered %q", got)
	}
	p.do(http.MethodPost, `451-7["x",{"_placeholder":true,"num":0}]`+"\x1ebAAE=")

	if got, want := p.do(http.MethodGet, ""), `461-7[{"_placeholder":true,"num":0}]`+"\x1ebAAE="; got != want {
		t.Errorf("received %q, want %q", got, want)
	}
	p.do(http.MethodPost, "41")
	if got := receive(t, reasons); got != ReasonClientDisconnect {
		t.Errorf("left because of %q", got)
	}
	p.do(http.MethodPost, "1")
	p.do(http.MethodGet, "") // else the server waits for it
}
