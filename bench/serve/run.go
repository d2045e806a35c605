//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

type options struct {
	quick          bool
	only, out, dir string
}

// plan is how much is measured.
type plan struct {
	turns int

	fileSize    int64
	bulkBudget  int64 // bytes that all clients of a trial read together
	bulkClients []int

	latencyClients []int
	rates          []rate

	idleClients int
	idleTime    time.Duration
	idleFiles   int
	filesTime   time.Duration // longer than a sweep (30 s), or its cost is not in it
}

// rate is a pace of the appender and for how long it keeps it.
type rate struct {
	linesPerSec int
	time        time.Duration
}

var (
	whole = plan{
		turns:    3,
		fileSize: 1 << 30, bulkBudget: 6 << 30, bulkClients: []int{1, 10, 100, 1000},
		latencyClients: []int{1, 100, 1000}, rates: []rate{{100, 4 * time.Second}, {10_000, 2 * time.Second}},
		idleClients: 10_000, idleTime: 10 * time.Second, idleFiles: 20_000, filesTime: 32 * time.Second,
	}
	smoke = plan{
		turns:    1,
		fileSize: 64 << 20, bulkBudget: 256 << 20, bulkClients: []int{1, 100},
		latencyClients: []int{1, 100}, rates: []rate{{10_000, 500 * time.Millisecond}},
		idleClients: 1000, idleTime: time.Second, idleFiles: 1000, filesTime: time.Second,
	}
)

// part is one of the measurements; a part without peers that could take it returns no table.
type part struct {
	name    string
	measure func(context.Context, bench) ([]table, error)
}

var parts = []part{{"bulk", measureBulk}, {"latency", measureLatency}, {"idle", measureIdle}}

// bench is what every measurement is given.
type bench struct {
	plan
	peers []peer
	dir   string // of this run; removed after it
}

func run(ctx context.Context, o options) error {
	if o.only != "" && !slices.ContainsFunc(parts, func(p part) bool { return p.name == o.only }) {
		return fmt.Errorf("unknown part %q: -only takes bulk, latency or idle", o.only)
	}
	raiseDescriptors()
	dir, err := os.MkdirTemp(o.dir, "bench-serve-")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer os.RemoveAll(dir)
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	b := bench{plan: whole, dir: dir}
	if o.quick {
		b.plan = smoke
	}
	var leftOut []string
	b.peers, leftOut = findPeers(ctx, root, dir, !o.quick)
	r := report{about: describe(ctx, root, o, b.plan), leftOut: leftOut}
	for _, p := range parts {
		if o.only != "" && o.only != p.name {
			continue
		}
		tables, err := p.measure(ctx, b)
		if err != nil {
			return fmt.Errorf("measure %s: %w", p.name, err)
		}
		r.tables = append(r.tables, tables...)
	}
	return publish(r.markdown(), o, root)
}

// publish prints the results, and writes them where asked.
func publish(text string, o options, root string) error {
	fmt.Print("\n", text)
	if o.out == "" && o.only == "" && !o.quick {
		o.out = filepath.Join(root, "bench", "RESULTS.md")
	}
	if o.out == "" {
		return nil
	}
	if err := os.WriteFile(o.out, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

// raiseDescriptors sets our limit, which servers and helpers inherit, as high as the kernel lets
// it: ten thousand clients at three descriptors each need more than most defaults. What is not
// granted makes the idle trial smaller, and is said there.
func raiseDescriptors() {
	const wanted = 65536
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: wanted, Max: wanted}) == nil {
		return
	}
	var now syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now) == nil {
		now.Cur = now.Max
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &now)
	}
}

func descriptorLimit() int {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now); err != nil {
		return 1024
	}
	return int(now.Cur)
}

// progress tells whoever waits at the terminal what is being measured.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, strings.TrimSuffix(format, "\n")+"\n", args...)
}
