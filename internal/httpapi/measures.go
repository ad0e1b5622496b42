package httpapi

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pryde/internal/fault"
	"pryde/internal/metric"
	"pryde/internal/wire"
)

type measures struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func measure(r *metric.Registry) measures {
	return measures{
		requests: r.Counter("pryde_http_requests_total", "Requests of known routes, by how they ended.", "method", "route", "result"),
		seconds:  r.Seconds("pryde_http_request_seconds", "From the start of a request to its answer.", "method", "route"),
	}
}

// took counts a request under the pattern of its route, never under its path.
func (m measures) took(spec *wire.RouteSpec, d time.Duration, err error) {
	result := "ok"
	if err != nil {
		result = string(fault.Of(err).Kind)
	}
	m.requests.WithLabelValues(spec.Method, spec.Path, result).Inc()
	m.seconds.WithLabelValues(spec.Method, spec.Path).Observe(d.Seconds())
}
