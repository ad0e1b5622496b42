package app_test

import (
	"net/http"
	"strings"
	"testing"

	"pryde/internal/wire"
)

func TestProbesAndMetrics(t *testing.T) {
	t.Parallel()
	token := strings.Repeat("t", 32)
	w := start(t, t.TempDir(), map[string]string{"SERVICE_TOKENS": token})
	ann, bob := w.signUp(), w.signUp()
	ask[wire.Sent](ann, ann.connect(), "send_message", wire.NewMessage{RecipientID: bob.id, Content: "a secret canary", TempID: "t1"})

	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/metrics": 404, "/": 200, "/nothing": 404} {
		got, err := w.rest().Do(w.ctx(), "GET", path, nil)
		if err != nil || got.Status != want {
			t.Errorf("%s answered %d %s, %v", path, got.Status, got.Body, err)
		}
	}
	shown := w.rest()
	shown.Header = http.Header{"X-Service-Token": {token}}
	got, err := shown.Do(w.ctx(), "GET", "/metrics", nil)
	if err != nil || got.Status != http.StatusOK || !strings.Contains(string(got.Body), `pryde_socket_events_total{event="send_message",result="ok"} 1`) {
		t.Errorf("/metrics answered %d %s, %v", got.Status, got.Body, err)
	}
	for _, secret := range []string{"canary", ann.token, ann.name, ann.id.String()} {
		if strings.Contains(string(got.Body), secret) {
			t.Errorf("the metrics show %q", secret)
		}
	}
	for _, secret := range []string{"canary", ann.token, password, ann.name} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log shows %q", secret)
		}
	}
}
