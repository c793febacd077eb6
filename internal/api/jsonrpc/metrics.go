package jsonrpc

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// newMetrics registers what the handler counts, and gives the seconds that
// requests over HTTP take.
func newMetrics(r prometheus.Registerer, h *Handler) prometheus.Histogram {
	seconds := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "gapless_jsonrpc_request_seconds",
		Help:    "Time that answering a JSON-RPC request over HTTP takes, a batch as one.",
		Buckets: []float64{.0005, .001, .005, .025, .1, .5, 2.5, 10, 25},
	})
	if r == nil {
		return seconds
	}
	r.MustRegister(seconds,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gapless_jsonrpc_sockets", Help: "WebSockets that are open.",
		}, func() float64 { return float64(h.countSockets()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gapless_jsonrpc_listeners", Help: "Subscriptions and filters that there are.",
		}, func() float64 { return float64(h.feed.count()) }),
	)
	return seconds
}

func (h *Handler) countSockets() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.open)
}

// count is how many listen.
func (f *feed) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.listeners)
}

// observe notes how long a request has taken.
func (h *Handler) observe(began time.Time) { h.seconds.Observe(time.Since(began).Seconds()) }
