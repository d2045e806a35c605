//go:build linux

package main

import (
	"context"
	"time"

	"fairlead/bench/measure"
)

func main() {
	measure.Main(measure.Program{
		Name: "ship", Results: "SHIP.md",
		Quick: "a smoke of under 60 s: one turn, small files",
		Dir:   "where files and their copies go: 3 GiB of the disk that is to be measured",
		Parts: []string{"bulk", "notice", "idle", "steady"},
		Roles: map[string]measure.Role{
			"limit":    limit,
			"disk":     disk,
			"syncer":   syncer,
			"reader":   reader,
			"appender": measure.Appender,
		},
		Prepare: prepare,
	})
}

// plan is how much is measured.
type plan struct {
	turns int

	one, many haul // in bulk

	noticeFor time.Duration // of which a tenth is not timed

	idle, active int           // files
	quiet        time.Duration // longer than a sweep (30 s), or its cost is not in it
	busy         time.Duration

	steadyFor time.Duration
}

var (
	whole = plan{
		turns: 3,
		one:   haul{files: 1, size: 1 << 30}, many: haul{files: 1000, size: 64 << 10},
		noticeFor: 10 * time.Second,
		idle:      20_000, active: 20, quiet: 35 * time.Second, busy: 60 * time.Second,
		steadyFor: 20 * time.Second,
	}
	smoke = plan{
		turns: 1,
		one:   haul{files: 1, size: 32 << 20}, many: haul{files: 100, size: 64 << 10},
		noticeFor: time.Second,
		idle:      2000, active: 20, quiet: time.Second, busy: 15 * time.Second,
		steadyFor: 2 * time.Second,
	}
)

// bench is what every measurement is given.
type bench struct {
	plan
	ways   []way
	up     way     // Fairlead's, whose receiver serves what it has
	places []place // for bulk
	dir    string  // of this run; removed after it
}

func prepare(ctx context.Context, r measure.Run) measure.Plan {
	b := bench{plan: whole, dir: r.Dir}
	if r.Quick {
		b.plan = smoke
	} else {
		measure.Progress("touching memory, so that nobody waits for the host to give it")
		if err := measure.TouchMemory(); err != nil {
			measure.Progress("memory was not touched: %v", err)
		}
	}
	leftOut := append(b.findWays(ctx, r), b.findPlaces()...)
	part := func(measured func(context.Context, bench) ([]measure.Table, error)) measure.Part {
		return func(ctx context.Context) ([]measure.Table, error) { return measured(ctx, b) }
	}
	return measure.Plan{
		Turns: b.turns, LeftOut: leftOut,
		Parts: []measure.Part{part(measureBulk), part(measureNotice), part(measureIdle), part(measureSteady)},
	}
}
