//go:build linux

package measure

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Figure is something a trial measures; its text is the head of its column.
type Figure string

// Figures that more than one benchmark measures.
const (
	Megabytes Figure = "MB/s"
	P50       Figure = "p50 ms"
	P99       Figure = "p99 ms"
	MaxMS     Figure = "max ms"
	Lost      Figure = "lost"
	Doubled   Figure = "doubled"
	Reordered Figure = "reordered"
	Torn      Figure = "torn"
	Paced     Figure = "lines/s written"
	CPUUse    Figure = "server CPU %"
	RSS       Figure = "RSS MiB"
	PeakRSS   Figure = "peak RSS MiB"
)

// To is a column that shows the figure to so many decimals.
func (f Figure) To(decimals int) Column { return Column{f, decimals} }

// Sample is what one trial gave.
type Sample map[Figure]float64

// Outcome is what one peer did in all turns of a case. A peer that failed once has no figures:
// an answer that comes most of the time is none.
type Outcome struct {
	Peer    string
	Samples []Sample
	Err     error
}

// Result is one case (say, 100 clients) for all peers.
type Result struct {
	Name     string
	Outcomes []Outcome
}

// InTurns runs trial once for each peer, and that several times over. Each turn begins with
// another peer, so that none always runs after the same neighbour.
func InTurns(ctx context.Context, name string, peers []Peer, turns int, trial func(Peer) (Sample, error)) (Result, error) {
	r := Result{Name: name}
	for _, p := range peers {
		r.Outcomes = append(r.Outcomes, Outcome{Peer: p.Name})
	}
	for turn := range turns {
		for i := range peers {
			at := (turn + i) % len(peers)
			o := &r.Outcomes[at]
			if o.Err != nil {
				continue
			}
			s, err := trial(peers[at])
			if ctx.Err() != nil {
				return r, ctx.Err()
			}
			if err != nil {
				o.Err, o.Samples = fmt.Errorf("turn %d: %w", turn+1, err), nil
				Progress("%s, %s: %v", name, o.Peer, o.Err)
				continue
			}
			o.Samples = append(o.Samples, s)
		}
	}
	for _, o := range r.Outcomes {
		Progress("%s, %s: %s", name, o.Peer, o.summary())
	}
	return r, nil
}

// summary is the outcome in one line, for whoever watches.
func (o Outcome) summary() string {
	if o.Err != nil {
		return "failed"
	}
	var parts []string
	for _, f := range slices.Sorted(maps.Keys(o.Samples[0])) {
		parts = append(parts, fmt.Sprintf("%s %.4g", f, SpreadOf(o.Values(f)).Median))
	}
	return strings.Join(parts, ", ")
}

// Values are the figures of all turns, in order.
func (o Outcome) Values(f Figure) []float64 {
	var vs []float64
	for _, s := range o.Samples {
		if v, ok := s[f]; ok {
			vs = append(vs, v)
		}
	}
	return vs
}

// Of returns a peer's outcome; of one that took no part, an empty one.
func (r Result) Of(peer string) Outcome {
	for _, o := range r.Outcomes {
		if o.Peer == peer {
			return o
		}
	}
	return Outcome{Peer: peer}
}

// Milliseconds of nanoseconds.
func Milliseconds(ns int64) float64 { return float64(ns) / 1e6 }
