package ship

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"fairlead/logfile"
)

// Idle files cost next to nothing: what 20,000 take of memory and of a core, with the
// Set, the Sender and, in the same process, the receiver. By night, as it takes a
// while and measures the machine as well.
func TestIdleFiles(t *testing.T) {
	if os.Getenv("FAIRLEAD_NIGHT") == "" {
		t.Skip("FAIRLEAD_NIGHT=1 runs it")
	}
	const files, watched = 20_000, 10 * time.Second
	w := newWorld(t)
	w.tuneSet = func(s *logfile.Set) { *s = logfile.Set{State: w.setState} } // as the program has it
	for i := range files {
		name := filepath.Join(w.dir, fmt.Sprintf("d%d", i%100), fmt.Sprintf("app%d.log", i))
		must(t, os.MkdirAll(filepath.Dir(name), 0o755))
		must(t, os.WriteFile(name, fmt.Appendf(nil, "file %d has a line that is its own and some more\n", i), 0o644))
	}
	began := time.Now()
	w.up()
	for !w.sender.Settled() && time.Since(began) < 2*time.Minute {
		<-time.NewTimer(100 * time.Millisecond).C
	}
	w.settled()
	t.Logf("%d files were shipped in %v", files, time.Since(began).Round(time.Millisecond))
	quiet := time.NewTimer(65 * time.Second) // what changed within a minute is swept each second
	<-quiet.C
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before := cpuTime(t)
	<-time.NewTimer(watched).C
	cpu := (cpuTime(t) - before).Seconds() / watched.Seconds()
	t.Logf("heap %d MiB, %.2f %% of a core", m.HeapAlloc>>20, 100*cpu)
	if m.HeapAlloc > 100<<20 || cpu > 0.02 {
		t.Errorf("%d idle files take %d MiB and %.2f %% of a core", files, m.HeapAlloc>>20, 100*cpu)
	}
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
