package command

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gapless/internal/pause"
	"gapless/internal/store"
)

// room returns an error that wraps a [store.NoRoom] while less is free on the
// disk than is to stay free, or the -wal is larger than it may become.
func (s *service) room(ctx context.Context) error {
	free, known := freeDisk(filepath.Dir(s.store.Path()))
	if known && free < s.minFree {
		return fmt.Errorf("%w: %s are free, --min-free keeps %s", store.ErrFull, amount(free), amount(s.minFree))
	}
	if s.walLimit == 0 {
		return nil
	}
	err := s.store.DrainWAL(ctx, s.walLimit)
	if errors.Is(err, store.ErrHeld) {
		return fmt.Errorf("%w, which takes %s, and --wal-limit allows %s: another program reads %s and does not end its transaction; `fuser -v` and `lsof` tell which",
			err, amount(fileSize(s.store.Path()+"-wal")), amount(s.walLimit), s.store.Path())
	}
	return err
}

// A pausedError says why nothing can be written now, which is a [store.NoRoom],
// and since when.
type pausedError struct {
	why error
	at  time.Time
}

func (e *pausedError) Unwrap() error { return e.why }
func (e *pausedError) Error() string { return fmt.Sprintf("%s, since %s", e.why, clock(e.at)) }

// paused says why nothing can be written now, a [*pausedError]; nil if it can.
func (s *service) paused() error {
	if p := s.unsettled.Load(); p != nil {
		return p
	}
	e := s.engine.Load()
	if e == nil {
		return nil
	}
	if x := e.indexer.Status(); x.Paused != nil {
		return &pausedError{x.Paused, x.PausedAt}
	}
	if at, why := e.worker.Paused(); why != nil {
		return &pausedError{why, at}
	}
	return nil
}

// untilWritable calls try until what it fails with is not that nothing can be
// written now. A run that has an end waits for no room, as the indexer.
func (s *service) untilWritable(ctx context.Context, try func() error) error {
	defer s.unsettled.Store(nil)
	for {
		err := try()
		var why store.NoRoom
		if !errors.As(err, &why) || s.until != nil && why != store.ErrBusy {
			return err
		}
		if s.unsettled.Load() == nil {
			s.unsettled.Store(&pausedError{err, time.Now()})
			s.log.Error("waiting until the file can be written", "err", err)
		}
		if err := pause.For(ctx, writeAgain); err != nil {
			return err
		}
	}
}

// writeAgain is how often it is tried to write before indexing begins.
const writeAgain = time.Second

// measureRoom adds what there is to be said of room to the metrics.
func (s *service) measureRoom() {
	gauge := func(name, help string, labels prometheus.Labels, read func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, read)
	}
	for reason, why := range map[string]store.NoRoom{"disk_full": store.ErrFull, "wal_held": store.ErrHeld, "locked": store.ErrBusy} {
		s.registry.MustRegister(gauge("gapless_paused", "Whether nothing can be written for now (1), by reason.",
			prometheus.Labels{"reason": reason}, func() float64 {
				if errors.Is(s.paused(), why) {
					return 1
				}
				return 0
			}))
	}
	for _, size := range []struct {
		name, help string
		read       func() float64
	}{
		{"gapless_file_bytes", "Size of the file, without its -wal.", func() float64 { return float64(fileSize(s.db)) }},
		{"gapless_wal_bytes", "Size of the -wal beside the file.", func() float64 { return float64(fileSize(s.db + "-wal")) }},
		{"gapless_wal_limit_bytes", "Size of the -wal past which nothing is written, as --wal-limit says; 0 for no limit.",
			func() float64 { return float64(s.walLimit) }},
		{"gapless_disk_free_bytes", "Space that is free on the file's disk; NaN if the system does not tell.", func() float64 {
			free, known := freeDisk(filepath.Dir(s.db))
			if !known {
				return math.NaN()
			}
			return float64(free)
		}},
		{"gapless_disk_reserve_bytes", "Space on the disk that stays free: with less nothing is written, as --min-free says.",
			func() float64 { return float64(s.minFree) }},
	} {
		s.registry.MustRegister(gauge(size.name, size.help, nil, size.read))
	}
}

// parseSize reads a number of bytes, perhaps with kB, MB, GB or TB.
func parseSize(flag, text string) (int64, error) {
	digits, unit := text, int64(1)
	for suffix, bytes := range map[string]int64{"kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12} {
		if rest, ok := strings.CutSuffix(text, suffix); ok {
			digits, unit = strings.TrimSpace(rest), bytes
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > 1<<62/unit {
		return 0, usagef("%s is %q: use a size as 256MB or 2GB", flag, text)
	}
	return n * unit, nil
}
