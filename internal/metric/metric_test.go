package metric_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"pryde/internal/metric"
)

func TestNamesFollowTheRule(t *testing.T) {
	for what, make := range map[string]func(*metric.Registry){
		"counter without _total":    func(r *metric.Registry) { r.Counter("pryde_socket_opened", "") },
		"gauge with _total":         func(r *metric.Registry) { r.Gauge("pryde_socket_open_total", "", nil) },
		"histogram without seconds": func(r *metric.Registry) { r.Seconds("pryde_socket_wait", "") },
		"foreign prefix":            func(r *metric.Registry) { r.Counter("socket_opened_total", "") },
		"upper case":                func(r *metric.Registry) { r.Counter("pryde_Socket_opened_total", "") },
		"taken": func(r *metric.Registry) {
			r.Counter("pryde_socket_opened_total", "")
			r.Counter("pryde_socket_opened_total", "")
		},
	} {
		t.Run(what, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("was accepted")
				}
			}()
			make(metric.New())
		})
	}
}

func TestHandlerWritesWhatWasCounted(t *testing.T) {
	r := metric.New()
	r.Counter("pryde_message_sent_total", "Messages.", "door").WithLabelValues("socket").Add(3)

	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))

	if want := `pryde_message_sent_total{door="socket"} 3`; !strings.Contains(w.Body.String(), want) {
		t.Errorf("no line %q in the answer", want)
	}
}
