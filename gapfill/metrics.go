package gapfill

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gapless/internal/chain"
)

type metrics struct {
	failures *prometheus.CounterVec
	retries  *prometheus.CounterVec
	wrong    prometheus.Counter
}

// newMetrics registers what the worker counts. The gauges are read from the
// queue when they are asked for.
func newMetrics(r prometheus.Registerer, w *Worker) *metrics {
	m := &metrics{
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapless_block_failures_total",
			Help: "Tries of a block that failed and were recorded, by class.",
		}, []string{"class"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gapless_block_retries_total",
			Help: "Retries of missing blocks, by result: recovered, failed or obsolete.",
		}, []string{"result"}),
		wrong: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gapless_wrong_blocks_recovered_total",
			Help: "Missing blocks that were recovered although a check failed, as --verify warn does.",
		}),
	}
	for _, class := range chain.Classes {
		if class.OfBlock() {
			m.failures.WithLabelValues(string(class))
		}
	}
	for _, result := range []string{"recovered", "failed", "obsolete"} {
		m.retries.WithLabelValues(result)
	}
	if r == nil {
		return m
	}
	r.MustRegister(m.failures, m.retries, m.wrong,
		gauge("gapless_missing_blocks", "Blocks that are not stored below the head.",
			func() float64 { return float64(w.Missing().Count) }),
		gauge("gapless_skipped_blocks", "Missing blocks that an operator has given up.",
			func() float64 { return float64(w.Missing().Skipped) }),
		gauge("gapless_oldest_gap_age_seconds", "How long the block that is missing longest has been missing.",
			func() float64 { return max(0, since(w.Missing().Oldest)) }),
		gauge("gapless_next_retry_seconds", "Seconds to the next retry of a missing block.",
			func() float64 { return max(0, -since(w.Missing().NextAt)) }),
	)
	return m
}

func gauge(name, help string, read func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read)
}

// since is the age of a moment in seconds, 0 for none.
func since(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return time.Since(t).Seconds()
}
