package node

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Outcomes of a call, a closed set.
const (
	outcomeOK      = "ok"
	outcomeError   = "error"   // the node answered with an error
	outcomeLimited = "limited" // asked too much
	outcomeRefused = "refused" // the batch or the request as a whole
	outcomeFailed  = "failed"  // no usable answer
	outcomeStopped = "stopped" // given up by us
)

type metrics struct {
	calls   *prometheus.CounterVec
	seconds prometheus.Histogram
	up      *prometheus.GaugeVec
	refuses *prometheus.GaugeVec

	disagreements *prometheus.CounterVec
}

// newMetrics registers the metrics, unless r is nil.
func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapless_rpc_calls_total",
			Help: "Calls to Ethereum nodes, by method and outcome.",
		}, []string{"method", "outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "gapless_rpc_request_seconds",
			Help:    "Duration of requests to Ethereum nodes, each of one or several calls.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 12),
		}),
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gapless_endpoint_up",
			Help: "Whether the endpoint answered last (1) or not (0).",
		}, []string{"endpoint"}),
		refuses: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gapless_endpoint_refuses",
			Help: "Whether the endpoint will not serve us (1): a wrong key, bad TLS, another chain.",
		}, []string{"endpoint"}),
		disagreements: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapless_endpoint_disagreements_total",
			Help: "Linked blocks of the endpoint that differ from the ones of the endpoint that is followed.",
		}, []string{"endpoint"}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.calls, m.seconds, m.up, m.refuses, m.disagreements} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// count registers what is left of a budget, if there is one.
func (m *metrics) count(r prometheus.Registerer, b *budget) error {
	if r == nil || b == nil {
		return nil
	}
	return errors.Join(
		r.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gapless_daily_calls_left",
			Help: "Calls to Ethereum nodes that are left until 00:00 UTC, where --daily-calls limits them.",
		}, func() float64 { return float64(b.snapshot().Left) })),
		r.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gapless_daily_calls_needed",
			Help: "Calls that following the chain takes a day at its present pace, where --daily-calls limits them; 0 if not known.",
		}, func() float64 { return float64(b.snapshot().Needed) })),
		r.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gapless_daily_calls_paced",
			Help: "Whether calls wait so that those of the day last (1) or not (0).",
		}, func() float64 { return number(!b.snapshot().PacedSince.IsZero()) })),
	)
}

// know lets there be counters of an endpoint before it has done anything: what
// becomes 1 from nothing has not grown, by Prometheus.
func (m *metrics) know(label string) {
	m.refuses.WithLabelValues(label)
	m.disagreements.WithLabelValues(label)
}

// forget takes out what is of an endpoint that is asked no more.
func (m *metrics) forget(label string) {
	m.up.DeleteLabelValues(label)
	m.refuses.DeleteLabelValues(label)
	m.disagreements.DeleteLabelValues(label)
}

// request counts the calls of one request, whose outcome is theirs unless it is
// ok: then each has its own.
func (m *metrics) request(calls []*call, outcome string, elapsed time.Duration) {
	m.seconds.Observe(elapsed.Seconds())
	for _, c := range calls {
		o := outcome
		if outcome == outcomeOK && c.err != nil {
			o = callOutcome(c.err)
		}
		m.calls.WithLabelValues(c.method, o).Inc()
	}
}
