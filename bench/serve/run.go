//go:build linux

package main

import (
	"time"

	"fairlead/bench/measure"
)

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

// bench is what every measurement is given.
type bench struct {
	plan
	peers []measure.Peer
	dir   string // of this run; removed after it
}
