//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"fairlead/bench/measure"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "reference" {
		fmt.Fprintln(os.Stderr, "reference:", runReference(os.Args[2:]))
		os.Exit(1)
	}
	measure.Main(measure.Program{
		Name: "stream", Results: "STREAM.md",
		Quick: "a smoke of under 60 s: one turn, small counts",
		Dir:   "where the logs and the spools go: 2 GiB that the page cache holds",
		Parts: []string{"parse", "bulk", "flood", "latency", "stall"},
		Roles: map[string]measure.Role{
			"parser":       parser,
			"bulk-clients": bulkClients,
			"clients":      liveClients,
			"appender":     measure.Appender,
		},
		Prepare: prepare,
	})
}

// plan is how much is measured.
type plan struct {
	turns int

	parseTime time.Duration

	bulkMost   int64 // bytes of entries that one client reads at most
	bulkBudget int64 // bytes that all clients of a trial read together
	counts     []int // of clients, for bulk and flood

	floodLines  int64 // to one client
	floodBudget int64 // lines that all clients of a trial get together

	pace  time.Duration // how long an appender keeps one
	rates []rate

	stalls []stall
}

// rate is a pace of the appender, and for how many clients.
type rate struct {
	perSec  int
	clients []int
}

// stall is how many clients read, and how many do not.
type stall struct{ readers, stalled int }

var (
	whole = plan{
		turns:     3,
		parseTime: 400 * time.Millisecond,
		bulkMost:  768 << 20, bulkBudget: 6 << 30, counts: []int{1, 100, 1000},
		floodLines: 1_000_000, floodBudget: 20_000_000,
		pace:   1500 * time.Millisecond,
		rates:  []rate{{1000, []int{1, 100, 1000}}, {10_000, []int{1, 100, 1000}}, {100_000, []int{1, 100}}},
		stalls: []stall{{10, 90}, {100, 900}},
	}
	smoke = plan{
		turns:     1,
		parseTime: 100 * time.Millisecond,
		bulkMost:  64 << 20, bulkBudget: 512 << 20, counts: []int{1, 100},
		floodLines: 200_000, floodBudget: 2_000_000,
		pace:   500 * time.Millisecond,
		rates:  []rate{{10_000, []int{1, 100}}, {100_000, []int{100}}},
		stalls: []stall{{10, 90}},
	}
)

// bench is what every measurement is given.
type bench struct {
	plan
	tcp, sse []measure.Peer
	dir      string // of this run; removed after it
}

func prepare(ctx context.Context, r measure.Run) measure.Plan {
	b := bench{plan: whole, dir: r.Dir}
	if r.Quick {
		b.plan = smoke
	}
	if !r.Quick {
		measure.Progress("touching memory, so that no server waits for the host to give it")
		if err := measure.TouchMemory(); err != nil {
			measure.Progress("memory was not touched: %v", err)
		}
	}
	leftOut := b.findPeers(ctx, r)
	part := func(measured func(context.Context, bench) ([]measure.Table, error)) measure.Part {
		return func(ctx context.Context) ([]measure.Table, error) { return measured(ctx, b) }
	}
	return measure.Plan{
		Turns: b.turns, LeftOut: leftOut,
		Parts: []measure.Part{part(measureParse), part(measureBulk), part(measureFlood), part(measureLatency), part(measureStall)},
	}
}

// outlet is one of the ways out.
type outlet struct {
	name  string
	sse   bool
	peers []measure.Peer
}

func (b bench) outlets() []outlet {
	return []outlet{{"TCP", false, b.tcp}, {"SSE", true, b.sse}}
}
