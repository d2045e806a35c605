package main

import (
	"context"
	"runtime/debug"
	gauges "runtime/metrics"
	"time"
)

const (
	memoryEvery = 20 * time.Second
	calm        = 4 << 20 // bytes allocated meanwhile: no more is quiet
	worthIt     = 8 << 20 // and since the last time: less is not worth a collection
)

// giveBackMemory returns to the system what a burst needed, once it is over: a process
// that has looked at 20,000 files, and then waits for weeks, would keep twice what it
// uses.
func giveBackMemory(ctx context.Context) {
	allocated := []gauges.Sample{{Name: "/gc/heap/allocs:bytes"}}
	var last, freed uint64
	tick := time.NewTicker(memoryEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		gauges.Read(allocated)
		now := allocated[0].Value.Uint64()
		if now-last < calm && now-freed > worthIt {
			debug.FreeOSMemory()
			freed = now
		}
		last = now
	}
}
