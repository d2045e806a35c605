package serve_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fairlead/serve"
)

// F22: with 64 descriptors, 500 files and 200 clients at once nothing breaks:
// who does not fit in is turned away, and everyone gets his file in the end.
func TestF22Descriptors(t *testing.T) {
	if os.Getenv("FAIRLEAD_F22") == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestF22Descriptors$", "-test.v")
		cmd.Env = append(os.Environ(), "FAIRLEAD_F22=1", "GORACE=atexit_sleep_ms=0")
		out, err := cmd.CombinedOutput()
		t.Logf("in a process of its own:\n%s", out)
		if err != nil {
			t.Error(err)
		}
		return
	}
	dir := t.TempDir()
	const files, clients = 500, 200
	for i := range files {
		write(t, filepath.Join(dir, fmt.Sprintf("%03d.log", i)), fmt.Sprintf("file %d\n", i))
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = 64 // the clients, in a process of their own, raise theirs again
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	r := start(t, &serve.Server{}, filepath.Join(dir, "*.log"))
	out, err := command(t, "insist", r.addr, strconv.Itoa(clients), strconv.Itoa(files)).Output()
	if err != nil {
		t.Fatalf("clients: %v", err)
	}
	st := r.srv.Stats()
	t.Logf("%s; Stats %v; files held %d", out, st.Resets, r.srv.Files.Stats().Held)
	if st.Resets["full"] == 0 {
		t.Errorf("nobody was turned away: the limit was not reached")
	}
	held, err := command(t, "hold", r.addr, "60").Output()
	if n, _ := strconv.Atoi(string(held)); err != nil || n == 0 || n > 32 {
		t.Errorf("%s clients were served at once, %v, want some and 32 at most: the rest of 64 is kept in reserve", held, err)
	}
	r.clients(0)
	c := r.dial("000.log 0\n")
	want(t, c, "file 0\n")
	appendTo(t, filepath.Join(dir, "000.log"), "more\n")
	want(t, c, "more\n")
}

// F41: many idle clients cost little, and an append reaches all of them soon.
func TestF41IdleClients(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write(t, path, "one\n")
	n := size(t, 2_000, 10_000)
	const processes = 2
	r := start(t, &serve.Server{MaxClients: n + 1, MaxPerAddress: n + 1}, path)
	first := r.dial("0\n")
	want(t, first, "one\n") // so that the file is open already
	runtime.GC()
	debug.FreeOSMemory()
	before, open := residentBytes(t), descriptors(t)
	lines := size(t, 20, 100)
	var clients []*exec.Cmd
	for range processes {
		clients = append(clients, r.follow(n/processes, lines))
	}
	r.clients(int64(n + 1))
	runtime.GC()
	debug.FreeOSMemory()
	each := (residentBytes(t) - before) / int64(n)
	cpu := cpuTime(t)
	<-time.NewTimer(time.Second).C
	t.Logf("%d idle clients: %d bytes each; %v CPU in a quiet second", n, each, cpuTime(t)-cpu)

	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for i := range lines {
		<-tick.C
		appendTo(t, path, strconv.FormatInt(time.Now().UnixNano(), 10)+"\n")
		for r.srv.Stats().SentBytes < int64(4+(i+1)*(n+1)*20) && t.Context().Err() == nil {
			<-tick.C
		}
	}
	var got int
	for _, cmd := range clients {
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		var lines, p50, p99, max int
		fmt.Sscan(cmd.Stdout.(*bytes.Buffer).String(), &lines, &p50, &p99, &max)
		got += lines
		t.Logf("%d lines, late by p50 %d, p99 %d, at most %d µs", lines, p50, p99, max)
		if limit := raceless(250 * time.Millisecond); time.Duration(p99)*time.Microsecond > limit {
			t.Errorf("p99 of an append's delivery = %d µs, want %v", p99, limit)
		}
	}
	if got != lines*n {
		t.Errorf("%d lines were received, want %d", got, lines*n)
	}
	if raced {
		t.Log("left out under the race detector: the memory of a client")
	} else if each > 16<<10 {
		t.Errorf("an idle client costs %d bytes, want %d", each, 16<<10)
	}
	appendTo(t, path, "who is there?\n") // they are closed, which until a send looks like half-closed
	r.clients(1)
	await(t, func() bool { return descriptors(t) <= open }, "%d descriptors", open)
}

// follow starts a process of clients that read so many lines each.
func (r *rig) follow(clients, lines int) *exec.Cmd {
	r.t.Helper()
	cmd := command(r.t, "follow", r.addr, strconv.Itoa(clients), strconv.Itoa(lines))
	cmd.Stdout = new(bytes.Buffer)
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(unix.TimevalToNsec(u.Utime) + unix.TimevalToNsec(u.Stime))
}
