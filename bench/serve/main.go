//go:build linux

package main

import (
	"context"

	"fairlead/bench/measure"
)

func main() {
	measure.Main(measure.Program{
		Name: "serve", Results: "RESULTS.md",
		Quick: "a smoke of under 40 s: one turn, small counts",
		Dir:   "where the files to serve go: 1.1 GiB that the page cache holds",
		Parts: []string{"bulk", "latency", "idle"},
		Roles: map[string]measure.Role{
			"bulk-clients":    bulkClients,
			"latency-clients": latencyClients,
			"idle-clients":    idleClients,
			"appender":        measure.Appender,
		},
		Prepare: prepare,
	})
}

func prepare(ctx context.Context, r measure.Run) measure.Plan {
	b := bench{plan: whole, dir: r.Dir}
	if r.Quick {
		b.plan = smoke
	}
	var leftOut []string
	b.peers, leftOut = findPeers(ctx, r.Root, r.Dir, !r.Quick)
	part := func(measured func(context.Context, bench) ([]measure.Table, error)) measure.Part {
		return func(ctx context.Context) ([]measure.Table, error) { return measured(ctx, b) }
	}
	return measure.Plan{
		Turns: b.turns, LeftOut: leftOut,
		Parts: []measure.Part{part(measureBulk), part(measureLatency), part(measureIdle)},
	}
}
