package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"gapless/indexer"
	"gapless/internal/archive"
	"gapless/internal/chain"
	"gapless/internal/store"
)

// An importing is one run of import.
type importing struct {
	db      string
	paths   []string
	options archive.SourceOptions
	level   chain.Level
	client  string // as the archives tell it
	out     *console

	source  *archive.Source
	store   *store.Store
	indexer *indexer.Indexer
	began   time.Time
	first   uint64 // lowest block that the file may have from the archives
	next    uint64 // of the file, before
	filled  int
	left    int // missing blocks that the archives have but that can't be placed
}

func (i *importing) run(ctx context.Context) (err error) {
	i.began = time.Now()
	if err := i.consultFile(ctx); err != nil {
		return err
	}
	if i.source, err = archive.OpenSource(ctx, i.paths, i.options); err != nil {
		return explainSource(err)
	}
	defer func() { err = errors.Join(err, i.source.Close()) }()
	if i.store, err = store.Open(ctx, i.db); err != nil {
		return withHint(err)
	}
	defer func() { err = errors.Join(err, i.store.Close()) }()
	if err := i.bind(ctx); err != nil {
		return err
	}
	err = i.hint(i.blocks(ctx))
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = &exitError{exitIncomplete, errors.New("stopped before all was stored; the same command goes on")}
	}
	return errors.Join(err, i.tell(context.WithoutCancel(ctx), err))
}

// explainSource adds what can be done.
func explainSource(err error) error {
	if errors.Is(err, archive.ErrUnknownChain) {
		return usagef("%w\ntell it with --chain-id and --genesis-hash", err)
	}
	return err
}

// consultFile takes from the file what the archives may not tell of the chain.
func (i *importing) consultFile(ctx context.Context) error {
	r, err := store.OpenInPlace(ctx, i.db)
	if err != nil {
		return nil // it is new, or store.Open will say
	}
	id, err := r.Identity(ctx)
	if err == nil && i.options.ChainID == nil {
		i.options.ChainID = &id.ChainID
	}
	if err == nil && i.options.Genesis == nil {
		i.options.Genesis = &id.Genesis
	}
	return r.Close()
}

// bind gives a new file the archives' chain, or makes sure that it is the file's
// and that the blocks fit on.
func (i *importing) bind(ctx context.Context) error {
	id, err := i.source.Identity(ctx)
	if err != nil {
		return err
	}
	if i.client = id.Client; i.level == chain.Warn {
		i.out.printf("blocks that are wrong are stored too, with a note: --verify warn\n")
	}
	want := store.Identity{ChainID: id.ChainID, Genesis: id.Genesis.Hash, Client: id.Client, Fork: i.source.Fork(), Start: i.source.First()}
	if err := i.store.Identify(ctx, want); err != nil {
		return i.explainIdentity(err)
	}
	file, err := i.store.Identity(ctx)
	if err != nil {
		return err
	}
	if i.next, err = i.store.Next(ctx); err != nil {
		return err
	}
	i.first = max(i.source.First(), file.Start)
	switch {
	case i.first > i.next:
		return fmt.Errorf("the archives begin with block %d, but %s ends before block %d\nimport what is between first", i.first, i.db, i.next)
	case i.source.Last() < file.Start:
		return fmt.Errorf("the archives end with block %d, but %s begins with block %d", i.source.Last(), i.db, file.Start)
	}
	return nil
}

func (i *importing) explainIdentity(err error) error {
	e, ok := errors.AsType[*store.IdentityError](err)
	switch {
	case !ok:
		return err
	case e.File.ChainID != e.Node.ChainID:
		return fmt.Errorf("%s is of chain id %d, the archives are of %d", i.db, e.File.ChainID, e.Node.ChainID)
	case e.File.Genesis != e.Node.Genesis:
		return fmt.Errorf("the genesis of %s is %s, that of the archives %s", i.db, e.File.Genesis, e.Node.Genesis)
	}
	return fmt.Errorf("the archives are of another fork of their live chain than %s", i.db)
}

// blocks appends and fills.
func (i *importing) blocks(ctx context.Context) error {
	last := i.source.Last()
	i.indexer = indexer.New(i.source, i.store, indexer.Options{
		Level: i.level, Until: &last, Client: i.client, Loopback: true, Fixed: true,
		Delay:   func(int) time.Duration { return 0 }, // the next run of gapless has a node to ask
		Failed:  func(...*chain.Failure) {},
		Rewound: func(uint64) {},
	}, slog.New(slog.DiscardHandler), nil)
	stop := i.showProgress(ctx)
	err := i.indexer.Run(ctx)
	stop()
	if err != nil {
		return err
	}
	return i.fill(ctx)
}

// hint says what can be done about a block that is refused.
func (i *importing) hint(err error) error {
	wrong, ok := errors.AsType[*indexer.WrongError](err)
	if !ok || i.level != chain.Auto || chain.ClassOf(wrong.Err) != chain.Invalid {
		return err
	}
	return fmt.Errorf("%w\n--verify warn stores such blocks too, with a note", err)
}

// showProgress tells how far it is until the function that it gives is called.
func (i *importing) showProgress(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	every := inLog
	if i.out.terminal {
		every = onTerminal
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				i.out.progress("%s", progressLine(i.indexer.Status(), i.first, 0, time.Time{}, ""))
			}
		}
	}()
	return func() {
		cancel()
		<-ended
		i.out.endProgress()
	}
}

// fillAtOnce is how many blocks are read for filling before they are stored.
const fillAtOnce = 16

// fill stores blocks that were missing in the file, by the code by which a node's
// are. They are taken from the lowest on, so that each stands on the one below.
func (i *importing) fill(ctx context.Context) error {
	var missing []uint64
	err := i.store.EachDue(ctx, func(d store.Due) {
		if !d.NextRetryAt.IsZero() && i.source.Has(d.Number) {
			missing = append(missing, d.Number)
		}
	})
	if err != nil {
		return err
	}
	slices.Sort(missing)
	for len(missing) > 0 {
		entries, err := i.indexer.Index(ctx, missing[:min(len(missing), fillAtOnce)])
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := i.fillOne(ctx, e); err != nil {
				return err
			}
		}
		missing = missing[len(entries):]
	}
	return nil
}

func (i *importing) fillOne(ctx context.Context, e store.Entry) error {
	if e.Failure != nil { // nothing that is stored says whether it is of the file's chain
		i.left++
		return nil
	}
	_, err := i.store.Fill(ctx, e.Block, i.store.Rewinds())
	if err == nil {
		i.filled++
	}
	return err
}

// tell says what was stored, and fails if blocks of the range are missing.
func (i *importing) tell(ctx context.Context, failed error) error {
	next, err := i.store.Next(ctx)
	if err != nil {
		return err
	}
	appended := next - i.next
	took := time.Since(i.began)
	text := fmt.Sprintf("appended %s", count(appended, "block"))
	if appended > 0 {
		text += fmt.Sprintf(" from %s to %s", thousands(i.next), thousands(next-1))
	}
	i.out.printf("%s, filled %s, in %s: %s\n", text, count(i.filled, "block"), took.Round(10*time.Millisecond),
		rate((float64(appended)+float64(i.filled))/max(took.Seconds(), 0.001)))
	if failed != nil {
		return nil
	}
	missing := 0
	err = i.store.EachDue(ctx, func(d store.Due) {
		if d.Number >= i.first && d.Number <= i.source.Last() {
			missing++
		}
	})
	if err == nil && missing > 0 {
		err = &exitError{exitIncomplete, fmt.Errorf("%s missing from block %s to %s; `gapless gaps --db %s` lists them",
			are(missing, "block"), thousands(i.first), thousands(i.source.Last()), pasted(i.db))}
	}
	return err
}
