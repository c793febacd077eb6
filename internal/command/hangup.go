package command

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// outliveLog lets the process go on when whoever reads what it writes is gone:
// then a write is an error, and no signal that ends it. It is not ignored, which
// children would inherit.
func outliveLog() (stop func()) {
	nobody := make(chan os.Signal, 1)
	signal.Notify(nobody, syscall.SIGPIPE)
	return func() { signal.Stop(nobody) }
}

// hangups gives a channel that has a value when the process got a SIGHUP.
func hangups() (got chan os.Signal, stop func()) {
	got = make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGHUP)
	return got, func() { signal.Stop(got) }
}

// watchHangups reads the nodes, labels and ABIs again at each SIGHUP.
func (s *service) watchHangups(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.hangups:
		}
		if err := s.readAgain(); err != nil {
			s.log.Error("nodes and names could not be read again, and stay as they were", "err", err)
			continue
		}
		s.log.Info("nodes and names were read again", "node", s.endpoints())
	}
}

// readAgain reads what --rpc-file, --labels and --abi name. It takes all of it or
// nothing.
func (s *service) readAgain() error {
	urls, err := s.rereadURLs()
	if err != nil {
		return err
	}
	if s.shown == nil {
		return s.node.Replace(urls)
	}
	labels, known, err := s.readNames()
	if err == nil {
		err = s.node.Replace(urls)
	}
	if err == nil {
		s.shown.Rename(labels, known)
	}
	return err
}
