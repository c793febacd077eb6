package command

import (
	"context"

	"gapless/internal/node"
)

// findSocket has the first node asked that answers at a socket where nodes put it,
// if it is on the file's chain and none was named. It reports whether there is one.
func (s *service) findSocket(ctx context.Context) bool {
	if !s.sockets {
		return false
	}
	for _, path := range node.UsualSockets() {
		if !s.answersFor(ctx, path) || s.node.Replace([]string{path}) != nil {
			continue
		}
		s.log.Info("nothing answers at the usual address, but at a socket", "node", path)
		s.sockets = false
		s.rereadURLs = func() ([]string, error) { return []string{path}, nil }
		return true
	}
	return false
}

// answersFor reports whether a node answers and, if the file has a chain, is on it.
func (s *service) answersFor(ctx context.Context, url string) bool {
	n, err := node.New(node.Options{URLs: []string{url}, Timeout: s.timeout})
	if err != nil {
		return false
	}
	defer n.Close()
	id, err := n.Identity(ctx)
	if err != nil || s.isNew {
		return err == nil
	}
	file, err := s.store.Identity(ctx)
	return err == nil && file.ChainID == id.ChainID && (id.Genesis == nil || file.Genesis == id.Genesis.Hash)
}
