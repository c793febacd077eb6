package indexer

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gapless/internal/store"
)

type metrics struct {
	indexed prometheus.Counter
	wrong   prometheus.Counter
	commits prometheus.Histogram
	reorgs  prometheus.Counter
	depth   prometheus.Histogram
	rate    rate
}

func newMetrics(r prometheus.Registerer, x *Indexer) *metrics {
	m := &metrics{
		indexed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gapless_blocks_indexed_total",
			Help: "Blocks that were committed in order; recovered ones are counted as retries.",
		}),
		wrong: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gapless_wrong_blocks_indexed_total",
			Help: "Blocks that were committed in order although a check failed, as --verify warn does.",
		}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "gapless_commit_seconds",
			Help:    "Time that a commit took.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
		reorgs: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gapless_reorgs_total",
			Help: "Rewinds of the file because the chain changed.",
		}),
		depth: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "gapless_reorg_depth_blocks",
			Help:    "Blocks that a rewind left behind.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 12),
		}),
	}
	if r == nil {
		return m
	}
	r.MustRegister(m.indexed, m.wrong, m.commits, m.reorgs, m.depth,
		gauge("gapless_head_block", "Highest block number that is stored.", x, func(s Status) float64 { return float64(s.Stored) }),
		gauge("gapless_chain_head_block", "Highest block number of the chain.", x, func(s Status) float64 { return float64(s.ChainHead) }),
		gauge("gapless_lag_blocks", "Blocks of the chain that were not yet tried.", x, func(s Status) float64 { return float64(s.Lag()) }),
		gauge("gapless_last_answer_seconds", "Unix time of the node's last answer about its head.", x, func(s Status) float64 {
			if s.AnsweredAt.IsZero() {
				return 0
			}
			return float64(s.AnsweredAt.UnixMilli()) / 1000
		}),
	)
	return m
}

func gauge(name, help string, x *Indexer, read func(Status) float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
		func() float64 { return read(x.Status()) })
}

func (m *metrics) committed(entries []store.Entry, took time.Duration) {
	blocks := 0
	for _, e := range entries {
		if e.Block == nil {
			continue
		}
		blocks++
		if e.Block.Verdict.Failed != 0 {
			m.wrong.Inc()
		}
	}
	m.indexed.Add(float64(blocks))
	m.commits.Observe(took.Seconds())
	m.rate.add(blocks, time.Now())
}

func (m *metrics) reorg(depth uint64) {
	m.reorgs.Inc()
	m.depth.Observe(float64(depth))
}

// rateWindow is how far back a rate looks.
const rateWindow = 10 * time.Second

// A rate counts events over the last ten seconds.
type rate struct {
	mu     sync.Mutex
	counts []rateCount
}

type rateCount struct {
	at time.Time
	n  int
}

func (r *rate) add(n int, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trim(now)
	r.counts = append(r.counts, rateCount{now, n})
}

func (r *rate) trim(now time.Time) {
	i := 0
	for i < len(r.counts) && now.Sub(r.counts[i].at) > rateWindow {
		i++
	}
	r.counts = r.counts[i:]
}

func (r *rate) perSecond(now time.Time) float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trim(now)
	if len(r.counts) == 0 {
		return 0
	}
	sum := 0
	for _, c := range r.counts {
		sum += c.n
	}
	return float64(sum) / max(1, now.Sub(r.counts[0].at).Seconds())
}
