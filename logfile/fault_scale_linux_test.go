package logfile_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"fairlead/logfile"
)

// These measure, so they do not run beside others.

// Many idle files: found quickly, no descriptor and at most 1 KiB for each, and
// an append to any of them is seen.
func TestF23ManyFiles(t *testing.T) {
	n := night(t, "files", 20_000, 100_000)
	dir := t.TempDir()
	for i := range n {
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("host%05d.example.org-access.log", i)), []byte("one line\n"), 0o644))
	}
	limit := time.Duration(n/10_000) * time.Second * slower
	set := &logfile.Set{State: t.TempDir()}
	measure(t, set, n, limit, filepath.Join(dir, "*.log"))
	some := filepath.Join(dir, fmt.Sprintf("host%05d.example.org-access.log", n/2))
	readAppended(t, set, some)
}

// Many directories, each with a log.
func TestF23ManyDirectories(t *testing.T) {
	n := night(t, "directories", 5000, 10_000)
	root := t.TempDir()
	path := func(i int) string {
		return filepath.Join(root, fmt.Sprintf("%02d", i%100), fmt.Sprintf("pod%05d", i), "app.log")
	}
	for i := range n {
		must(t, os.MkdirAll(filepath.Dir(path(i)), 0o755))
		must(t, os.WriteFile(path(i), []byte("one line\n"), 0o644))
	}
	set := &logfile.Set{State: t.TempDir()}
	measure(t, set, n, 2*time.Second*slower, root)
	readAppended(t, set, path(n/2))
}

// Many logs that are told of: at most 1 KiB for each, and no sweep comes by.
func TestF23ManyTold(t *testing.T) {
	n := night(t, "logs", 20_000, 100_000)
	store := t.TempDir() // its files are not there: nobody looks
	set := &logfile.Set{State: t.TempDir()}
	name := func(i int) string { return fmt.Sprintf("host%05d:/var/log/access.log", i) }
	measureThat(t, set, n, time.Second*slower, func() {
		for i := range n {
			set.Told(name(i)).Tell(logfile.ToldGen{
				ID: logfile.NewGenID(), Path: filepath.Join(store, fmt.Sprintf("host%05d/var/log/access.log", i)),
				Size: 9, Modified: time.Now(),
			})
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- set.Run(ctx) }()
	if os.Getenv("FAIRLEAD_NIGHT") != "" {
		idle(t, set)
	}
	cancel()
	must(t, <-ran)
	for i := range n {
		l, err := set.Lookup(name(i))
		must(t, err)
		if st := l.Stat(); st.Err != nil || st.Current == nil || st.Current.Size != 9 {
			t.Fatalf("%s is %+v, want what was told", l.Name(), st)
		}
	}
}

// measure adds a target and compares time, heap and descriptors with what they
// may be.
func measure(t *testing.T, set *logfile.Set, n int, limit time.Duration, target string) {
	t.Helper()
	measureThat(t, set, n, limit, func() { must(t, set.Add(target)) })
}

// measureThat does the same for other ways that n logs join.
func measureThat(t *testing.T, set *logfile.Set, n int, limit time.Duration, join func()) {
	t.Helper()
	heapBefore, openBefore := heap(), descriptors(t)
	set.Stats() // sets up what does not depend on the number of files
	setUp := descriptors(t) - openBefore
	began := time.Now()
	join()
	took := time.Since(began)
	each := (heap() - heapBefore) / int64(n)
	t.Logf("%d logs in %v, %d bytes each", len(set.Logs()), took, each)
	if got := len(set.Logs()); got != n {
		t.Errorf("%d logs, want %d", got, n)
	}
	if took > limit {
		t.Errorf("it took %v, want at most %v", took, limit)
	}
	if each > 1024 {
		t.Errorf("an idle file costs %d bytes, want at most 1024", each)
	}
	if held, open := set.Stats().Held, descriptors(t)-openBefore-setUp; held != 0 || open > 0 {
		t.Errorf("%d descriptors are held and %d more are open, want 0", held, open)
	}
}

// readAppended runs the set, with a follower of one log, which is appended to.
func readAppended(t *testing.T, set *logfile.Set, path string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- set.Run(ctx) }()
	defer func() {
		cancel()
		must(t, <-ran)
	}()
	l, err := set.Lookup(path)
	must(t, err)
	f := logfile.Follow(l, logfile.FromEnd)
	defer f.Close()
	w, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	defer w.Close()
	_, err = w.WriteString("another\n")
	must(t, err)
	buf := make([]byte, 100)
	span, err := f.Read(ctx, buf)
	must(t, err)
	if got := string(buf[:span.N]); got != "another\n" {
		t.Errorf("read %q, want what was appended", got)
	}
	if os.Getenv("FAIRLEAD_NIGHT") != "" {
		idle(t, set)
	}
}

// idle measures what a minute of nothing costs.
func idle(t *testing.T, set *logfile.Set) {
	t.Helper()
	before := cpu(t)
	<-time.After(time.Minute)
	share := float64(cpu(t)-before) / float64(time.Minute) * 100
	t.Logf("%d idle logs cost %.2f %% of a core", len(set.Logs()), share)
	if share > 1 && slower == 1 {
		t.Errorf("%d idle logs cost %.2f %% of a core, want less than 1", len(set.Logs()), share)
	}
}

func cpu(t *testing.T) time.Duration {
	t.Helper()
	var r syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// descriptors counts what the process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	runtime.GC() // what is garbage may close files
	names, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(names)
}

// Runs leave no descriptor behind.
func TestRunLeavesNothingOpen(t *testing.T) {
	x := newFixture(t, down)
	w := newWriter(t, x.path("app.log"))
	w.write(9)
	x.follow("app.log").expect(w.contents()...)
	x.down()
	before := descriptors(t)
	for range 20 {
		x.up()
		w.write(1)
		w.rotate().f.Close()
		w.write(1)
		x.reader("app.log").expect(w.contents()...)
		x.down()
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors are open after 20 runs, were %d", after, before)
	}
}
