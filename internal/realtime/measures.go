package realtime

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pryde/internal/fault"
	"pryde/internal/metric"
	"pryde/internal/socketio"
)

type measures struct {
	events         *prometheus.CounterVec
	seconds        *prometheus.HistogramVec
	admissions     *prometheus.CounterVec
	disconnections *prometheus.CounterVec
}

func measure(r *metric.Registry, server *socketio.Server) measures {
	r.Gauge("pryde_socket_connected", "Sockets that are connected now.", func() float64 { return float64(server.Count()) })
	return measures{
		events:         r.Counter("pryde_socket_events_total", "Events from clients, by how they ended.", "event", "result"),
		seconds:        r.Seconds("pryde_socket_event_seconds", "From the start of an event's operation to its outcome.", "event"),
		admissions:     r.Counter("pryde_socket_admissions_total", "Sockets that asked to be let in, by verdict.", "verdict"),
		disconnections: r.Counter("pryde_socket_disconnections_total", "Sockets that went, by reason.", "reason"),
	}
}

// took counts an event and how long its operation ran. The label is a name of the catalogue,
// never one that a client made up.
func (m measures) took(event string, d time.Duration, err error) {
	result := "ok"
	if err != nil {
		result = string(fault.Of(err).Kind)
	}
	m.events.WithLabelValues(event, result).Inc()
	m.seconds.WithLabelValues(event).Observe(d.Seconds())
}
