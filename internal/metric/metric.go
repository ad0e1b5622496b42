// Package metric counts and measures. Every name follows one rule: pryde_<subject>_<what>,
// in lower case, ending in _total for counters, in _seconds or _bytes for what has a unit. A
// label never carries what a person wrote, an id, a token or an address.
package metric

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// A Registry holds the metrics of one server. Its methods panic on a name that breaks the
// rule or is taken: that is a mistake in the wiring, seen at the first start.
type Registry struct{ reg *prometheus.Registry }

// New returns a registry that already holds the metrics of the Go runtime and the process.
func New() *Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &Registry{reg}
}

var name = regexp.MustCompile(`^pryde(_[a-z]+){2,}$`)

func check(n string, counter bool) {
	if !name.MatchString(n) || counter != strings.HasSuffix(n, "_total") {
		panic(fmt.Sprintf("metric: %q breaks the naming rule", n))
	}
}

// Counter makes a counter with the given labels.
func (r *Registry) Counter(n, help string, labels ...string) *prometheus.CounterVec {
	check(n, true)
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: n, Help: help}, labels)
	r.reg.MustRegister(c)
	return c
}

// Gauge makes a gauge that is read when it is collected. fn must be safe for concurrent use.
func (r *Registry) Gauge(n, help string, fn func() float64) {
	check(n, false)
	r.reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: n, Help: help}, fn))
}

// Seconds makes a histogram of times from 100 microseconds to 10 seconds.
func (r *Registry) Seconds(n, help string, labels ...string) *prometheus.HistogramVec {
	check(n, false)
	if !strings.HasSuffix(n, "_seconds") {
		panic(fmt.Sprintf("metric: %q must end in _seconds", n))
	}
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: n, Help: help,
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, labels)
	r.reg.MustRegister(h)
	return h
}

// Handler writes the metrics in the format of Prometheus.
func (r *Registry) Handler() http.Handler {
	return promhttp.HandlerFor(r.reg, promhttp.HandlerOpts{})
}
