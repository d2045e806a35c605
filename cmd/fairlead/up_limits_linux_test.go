package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/logfile"
)

// Many follow the stream while many read entries by place: all get all, at a memory
// that is bounded, and when they leave nothing of them stays.
func TestUpManyClients(t *testing.T) {
	const clients, readers, most = 2000, 100, 300 << 20
	file := writeFile(t, filepath.Join(t.TempDir(), "app.log"), strings.Repeat("a line of the file\n", 20000))
	p, url := startUp(t, file)
	addr := strings.TrimPrefix(url, "http://")
	follow := make([]*bufio.Reader, clients)
	var conns []net.Conn
	for i := range follow {
		c := dial(t, addr, "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
		conns = append(conns, c)
		follow[i] = bufio.NewReaderSize(c, 1024)
	}
	for i, r := range follow {
		if err := lineWith(r, "event: connected"); err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
	}
	var reading sync.WaitGroup
	for range readers {
		reading.Go(func() {
			resp, err := http.Get(url + "/entries/app.log?limit=1000&from=200000")
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 || strings.Count(string(b), "\n") != 1000 {
				t.Errorf("GET /entries = %s, %d bytes, %v, want 1000 entries", resp.Status, len(b), err)
			}
		})
	}
	if err := appendTo(file, "to all\n"); err != nil {
		t.Fatal(err)
	}
	for i, r := range follow {
		if err := lineWith(r, `"message":"to all"`); err != nil {
			t.Errorf("client %d: %v", i, err)
		}
	}
	reading.Wait()
	resident := residentOf(t, p.cmd.Process.Pid)
	t.Logf("%d MB with %d clients of the stream and %d of entries", resident>>20, clients, readers)
	if resident > most && !raced {
		t.Errorf("VmRSS = %d MB, want at most %d", resident>>20, most>>20)
	}
	if r := statusOf(t, url); r.Counters[`stream_clients{proto="sse"}`] != clients {
		t.Errorf("%d clients are counted, want %d", r.Counters[`stream_clients{proto="sse"}`], clients)
	}
	for _, c := range conns {
		c.Close()
	}
	until(func() bool { return statusOf(t, url).Counters[`stream_clients{proto="sse"}`] == 0 })
	if r := statusOf(t, url); r.Counters[`stream_clients{proto="sse"}`] != 0 || len(r.Problems) > 0 {
		t.Errorf("after all have left %v clients are counted, problems %v", r.Counters[`stream_clients{proto="sse"}`], r.Problems)
	}
	http.DefaultClient.CloseIdleConnections()
	fds := func() int {
		open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		return len(open)
	}
	if !until(func() bool { return fds() < 50 }) {
		t.Errorf("%d descriptors are open after all have left", fds())
	}
}

func lineWith(r *bufio.Reader, text string) error {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if strings.Contains(line, text) {
			return nil
		}
	}
}

func statusOf(t *testing.T, url string) (r processReport) {
	t.Helper()
	resp, err := http.Get(url + "/status")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
		t.Fatal(err)
	}
	return r
}

// A browser that sleeps, and comes back with its last id, goes on where it was if
// that is still kept; else it is told exactly what it misses, and where to read it.
func TestUpSleepingClient(t *testing.T) {
	const lines = 30000
	for _, c := range []struct {
		name, spool, budget string
		gap                 bool
	}{{"kept", "disk", "64MiB", false}, {"gone from the disk", "disk", "1MiB", true}, {"gone from memory", "memory", "1MiB", true}} {
		t.Run(c.name, func(t *testing.T) {
			file := writeFile(t, filepath.Join(t.TempDir(), "app.log"), "")
			_, url := startUp(t, "--spool", c.spool, "--budget", c.budget, file)
			asleep := openStream(t, http.DefaultClient, url+"/stream")
			if err := appendTo(file, "first\n"); err != nil {
				t.Fatal(err)
			}
			asleep.until(`"message":"first"`)
			size := int64(len("first\n"))
			var text strings.Builder
			for n := range lines {
				fmt.Fprintf(&text, "line %d %s\n", n, strings.Repeat("y", 100))
			}
			size += int64(text.Len())
			if err := appendTo(file, text.String()); err != nil {
				t.Fatal(err)
			}
			if !until(func() bool {
				s := statusOf(t, url).Sources
				return len(s) == 1 && s[0].Read != nil && *s[0].Read == size
			}) {
				t.Fatalf("not all is read: %+v", statusOf(t, url).Sources)
			}
			// All this time it took nothing.
			id := asleep.last
			asleep.close()
			back := openStream(t, http.DefaultClient, url+"/stream?after="+id)
			at, gaps := int64(len("first\n")), 0
			for at < size {
				event, data, err := back.next()
				if err != nil {
					t.Fatal(err)
				}
				switch event {
				case "connected":
				case "gap":
					gaps++
					at = endOfGap(t, data, at)
				case "":
					at = endOfEntry(t, data, at)
				default:
					t.Fatalf("event %s: %s", event, data)
				}
			}
			if (gaps == 1) != c.gap || gaps > 1 {
				t.Errorf("%d gaps, want one: %v", gaps, c.gap)
			}
		})
	}
}

// endOfGap wants a gap that covers what is behind at. It may say more: of what is
// gone only the places between segments are known.
func endOfGap(t *testing.T, data string, at int64) int64 {
	t.Helper()
	var gap struct{ Missing map[string][]string }
	if err := json.Unmarshal([]byte(data), &gap); err != nil || len(gap.Missing) != 1 {
		t.Fatalf("gap %s, %v, want one of one log", data, err)
	}
	for _, ranges := range gap.Missing {
		_, text, _ := strings.Cut(ranges[0], ":")
		var from, to int64
		if _, err := fmt.Sscanf(text, "%d-%d", &from, &to); err != nil || len(ranges) != 1 || from > at || to <= at {
			t.Fatalf("gap %s, %v, want one that begins at %d or before", data, err, at)
		}
		at = to
	}
	return at
}

func endOfEntry(t *testing.T, data string, at int64) int64 {
	t.Helper()
	var e struct {
		At  string
		Len int64
	}
	if err := json.Unmarshal([]byte(data), &e); err != nil {
		t.Fatalf("entry %s: %v", data, err)
	}
	pos, err := logfile.ParsePos(e.At)
	if err != nil || pos.Off != at {
		t.Fatalf("an entry is at %s, %v, want it at %d", e.At, err, at)
	}
	return at + e.Len
}

// Who asks for entries and leaves does not leave work behind.
func TestUpCancelledEntries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 16 {
		if _, err := f.WriteString(backlog); err != nil {
			t.Fatal(err)
		}
	}
	f.Close()
	p, url := startUp(t, path)
	for _, query := range []string{"q=nothing-like-it", "regex=(a|b)*c{3}zzz&from=0", "before=400000000&q=nothing-like-it", "level=error"} {
		began := busy(t, p.cmd.Process.Pid)
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/entries/app.log?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		var asking sync.WaitGroup
		for range 4 {
			asking.Go(func() {
				if resp, err := http.DefaultClient.Do(req); err == nil {
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			})
		}
		until(func() bool { return busy(t, p.cmd.Process.Pid) > began+5 }) // they are at work
		cancel()
		asking.Wait()
		// A while in which nothing is done: 300 ms of rest within the limit.
		last, since := busy(t, p.cmd.Process.Pid), time.Now()
		if !until(func() bool {
			if now := busy(t, p.cmd.Process.Pid); now > last+1 {
				last, since = now, time.Now()
			}
			return time.Since(since) > 300*time.Millisecond
		}) {
			t.Errorf("%s: still at work %s after all have left", query, patience)
		}
		if worked := last - began; worked > 500 {
			t.Errorf("%s: it took %d0 ms of work to notice that all have left", query, worked)
		}
	}
}

// busy is the time that a process has worked, in hundredths of a second.
func busy(t *testing.T, pid int) (ticks int64) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	var user, system int64
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		t.Fatal(err)
	}
	return user + system
}
