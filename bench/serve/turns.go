//go:build linux

package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// figure is something a trial measures; its text is the head of its column.
type figure string

// sample is what one trial gave.
type sample map[figure]float64

// outcome is what one peer did in all turns of a case. A peer that failed once has no figures:
// an answer that comes most of the time is none.
type outcome struct {
	peer    string
	samples []sample
	err     error
}

// result is one case (say, 100 clients) for all peers.
type result struct {
	name     string
	outcomes []outcome
}

// inTurns runs trial once for each peer, and that several times over. Each turn begins with
// another peer, so that none always runs after the same neighbour.
func inTurns(ctx context.Context, name string, peers []peer, turns int, trial func(peer) (sample, error)) (result, error) {
	r := result{name: name}
	for _, p := range peers {
		r.outcomes = append(r.outcomes, outcome{peer: p.name})
	}
	for turn := range turns {
		for i := range peers {
			at := (turn + i) % len(peers)
			o := &r.outcomes[at]
			if o.err != nil {
				continue
			}
			s, err := trial(peers[at])
			if ctx.Err() != nil {
				return r, ctx.Err()
			}
			if err != nil {
				o.err, o.samples = fmt.Errorf("turn %d: %w", turn+1, err), nil
				progress("%s, %s: %v", name, o.peer, o.err)
				continue
			}
			o.samples = append(o.samples, s)
		}
	}
	for _, o := range r.outcomes {
		progress("%s, %s: %s", name, o.peer, o.summary())
	}
	return r, nil
}

// summary is the outcome in one line, for whoever watches.
func (o outcome) summary() string {
	if o.err != nil {
		return "failed"
	}
	var parts []string
	for _, f := range slices.Sorted(maps.Keys(o.samples[0])) {
		parts = append(parts, fmt.Sprintf("%s %.4g", f, spreadOf(o.values(f)).median))
	}
	return strings.Join(parts, ", ")
}

// values are the figures of all turns, in order.
func (o outcome) values(f figure) []float64 {
	var vs []float64
	for _, s := range o.samples {
		if v, ok := s[f]; ok {
			vs = append(vs, v)
		}
	}
	return vs
}

// of returns a peer's outcome; of one that took no part, an empty one.
func (r result) of(peer string) outcome {
	for _, o := range r.outcomes {
		if o.peer == peer {
			return o
		}
	}
	return outcome{peer: peer}
}
