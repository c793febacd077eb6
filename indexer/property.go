package indexer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gapless/internal/chain"
	"gapless/internal/store"
)

// This file decides what a block is worth that does not prove to be right. A
// check that can't be computed is a property of the chain, which three blocks
// show; it is never one of a block.

// A property is what the file knows of its chain.
type property struct {
	exempt chain.Exemptions
	known  bool // a client of the chain is one whose rules are known
}

func (x *Indexer) property(ctx context.Context) (p property, err error) {
	id, err := x.store.Identity(ctx)
	if err != nil {
		return p, err
	}
	x.doubts.of(id.Epoch)
	p.known = chain.KnownClient(id.Client) || chain.KnownClient(x.options.Client)
	p.exempt, err = x.store.Exemptions(ctx)
	return p, err
}

// open gives the findings that are not exempted.
func (p property) open(b *chain.Block, found []chain.Finding) []chain.Finding {
	return slices.DeleteFunc(found, func(f chain.Finding) bool { return p.exempt.Cover(b.Number, f) })
}

// judge says why a block that does not prove to be right can't be stored, if so.
// It sets the verdict. Errors without a class are of the file.
func (x *Indexer) judge(ctx context.Context, b *chain.Block, checks chain.Check) error {
	p, err := x.property(ctx)
	if err != nil {
		return err
	}
	found := chain.Findings(b, checks)
	passed := checks &^ chain.ChecksOf(found)
	open := p.open(b, found)
	if refused := slices.DeleteFunc(slices.Clone(open), func(f chain.Finding) bool { return f.Excusable(p.known) }); len(refused) > 0 {
		x.warnOfRefused(b, passed|chain.ChecksOf(refused), refused)
		return x.refused(b.Number, errors.New(refused[0].Why))
	}
	if len(open) > 0 {
		decided, err := x.decide(ctx, p, b, checks, passed|chain.ChecksOf(open), open)
		if err != nil {
			return err
		}
		for _, e := range decided {
			p.exempt = p.exempt.With(e)
		}
	}
	verdict := p.exempt.Verify(b, checks)
	switch {
	case verdict.Failed != 0:
		return x.refused(b.Number, fmt.Errorf("%s; three blocks that fail alike would show that this can't be computed on this chain", verdict.Why))
	case x.options.Fixed:
		return nil
	}
	return x.doubts.believe(b, verdict)
}

// refused has another endpoint asked for a block the next time.
func (x *Indexer) refused(number uint64, why error) error {
	if s, ok := x.source.(rejecter); ok {
		s.Reject(number)
	}
	return &chain.Error{Class: chain.Invalid, Err: why}
}

// decide finds out whether what fails is a property of the chain, and keeps that.
// Of the checks that were made, what was exempted before says nothing.
func (x *Indexer) decide(ctx context.Context, p property, b *chain.Block, made, telling chain.Check, open []chain.Finding) (decided []chain.Exemption, err error) {
	if x.options.Fixed {
		decided, err = x.probeAround(ctx, b, made, open)
	} else {
		decided, err = x.probe(ctx, p, b, telling, open)
	}
	if err != nil || len(decided) == 0 {
		return nil, err
	}
	if err := x.store.Exempt(ctx, decided); err != nil {
		if why, ok := errors.AsType[store.NoRoom](err); ok {
			return nil, &chain.Error{Class: chain.Invalid, Err: why} // it is decided anew
		}
		return nil, err
	}
	for _, e := range x.doubts.news(decided) {
		x.log.Warn("a check can't be computed on this chain: three blocks fail it alike; from here on it is left out",
			"check", e.String(), "block", e.From)
	}
	if x.options.Recovered != nil {
		x.options.Recovered() // what is missing because of that
	}
	return decided, nil
}

// probe lets a block that was told a second time show what the chain is like. Blocks
// come in any order: below one from which on a check is exempted, others may fail
// alike, if none between them passes.
func (x *Indexer) probe(ctx context.Context, p property, b *chain.Block, checks chain.Check, open []chain.Finding) ([]chain.Exemption, error) {
	decided, again := x.doubts.probe(b, checks, open)
	if !again {
		return nil, nil
	}
	for _, f := range open {
		from, ok := p.exempt.From(f)
		if !ok || from <= b.Number || b.Number == 0 || x.doubts.passedFrom(f, b.Number) {
			continue
		}
		lower := chain.Exemption{Check: f.Check, About: f.About, From: b.Number}
		passed, err := x.store.PassedBetween(ctx, lower, from)
		if err != nil {
			return nil, err
		}
		if !passed {
			decided = append(decided, lower)
		}
	}
	return decided, nil
}

// probeAround lets the neighbours of a block in a source that never changes show
// whether they fail alike: those above, and then those below, as blocks may come
// in any order.
func (x *Indexer) probeAround(ctx context.Context, b *chain.Block, checks chain.Check, open []chain.Finding) ([]chain.Exemption, error) {
	head, err := x.source.Head(ctx)
	if err != nil {
		return nil, err
	}
	var probes chain.Probes
	decided := probes.Add(b, chain.ChecksOf(open), open)
	undecided := func() bool {
		return b.Number == 0 && len(decided) == 0 || slices.ContainsFunc(open, func(f chain.Finding) bool { return probes.Counts(b.Number, f) })
	}
	for _, step := range []uint64{1, ^uint64(0)} {
		for number := b.Number + step; number <= head.Number && undecided(); number += step { // below 0 it is large
			results, err := x.source.Blocks(ctx, []uint64{number}, 0)
			if err != nil {
				return nil, err
			}
			if results[0].Err != nil {
				break
			}
			next := results[0].Block
			found := chain.Findings(next, checks)
			decided = append(decided, probes.Add(next, checks, found)...)
			if !slices.ContainsFunc(open, func(f chain.Finding) bool { return !f.Concerns(next) || f.In(found) }) {
				break
			}
		}
	}
	return decided, nil
}

// warnOfRefused says once that all blocks seem to be refused, and what to do.
func (x *Indexer) warnOfRefused(b *chain.Block, checks chain.Check, refused []chain.Finding) {
	news := x.doubts.refuse(b, checks, refused)
	if len(news) == 0 {
		return
	}
	x.log.Warn("three blocks in a row are refused alike, though the rules of this client are known: the node is wrong, "+
		"or this is a kind of chain that this version does not know; --verify warn would store such blocks with a note",
		"check", news[0].String(), "block", news[0].From)
}
