package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A fakeDemo answers as fairlead up would about two logs, or does something wrong.
type fakeDemo struct {
	events []string          // by id, from 1
	list   string            // GET /logs
	raw    map[string]string // of each generation
	deaf   bool              // it does not mind where a client was
}

func (f *fakeDemo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/stream":
		from, _ := strconv.Atoi(r.URL.Query().Get("after"))
		if f.deaf {
			from = 0
		}
		for i, e := range f.events[min(from, len(f.events)):] {
			fmt.Fprintf(w, "id: %d\n%s\n\n", from+i+1, e)
		}
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	case r.URL.Path == "/logs":
		fmt.Fprint(w, f.list)
	default:
		fmt.Fprint(w, f.raw[r.URL.Query().Get("gen")])
	}
}

// demoWorld writes two logs of two generations, and what comes of them.
func demoWorld(t *testing.T) (*demoLogs, *fakeDemo) {
	t.Helper()
	logs := newDemoLogs(t.TempDir(), true)
	logs.all = logs.all[1:3]
	if err := logs.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(logs.close)
	close(logs.ended) // nobody writes any more
	fake := &fakeDemo{raw: make(map[string]string), events: []string{`event: connected` + "\ndata: {}"}}
	var listed []string
	for i, l := range logs.all {
		gens := []string{strings.Repeat(fmt.Sprint(2*i+1), 32), strings.Repeat(fmt.Sprint(2*i+2), 32)}
		for turn, gen := range gens {
			for range 5 {
				if err := l.write(time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			text, err := os.ReadFile(logs.path(l))
			if err != nil {
				t.Fatal(err)
			}
			fake.raw[gen] = string(text)
			off := 0
			for n, line := range strings.SplitAfter(strings.TrimSuffix(string(text), "\n"), "\n") {
				size := len(strings.TrimSuffix(line, "\n")) + 1
				fake.events = append(fake.events, fmt.Sprintf(`data: {"source":%q,"message":"seq=%d","at":"%s:%d","len":%d}`,
					logs.path(l), turn*5+n+1, gen, off, size))
				off += size
			}
			if turn == 0 {
				if err := logs.rotate(l); err != nil {
					t.Fatal(err)
				}
			}
		}
		listed = append(listed, fmt.Sprintf(`{"name":%q,"generation":%q,"older":[{"generation":%q}]}`, logs.path(l), gens[1], gens[0]))
	}
	fake.list = "[" + strings.Join(listed, ",") + "]"
	return logs, fake
}

// What a check says of a server that is well, and of each that is not: an error
// that names the place.
func TestDemoCheck(t *testing.T) {
	const second, fourth = "22222222222222222222222222222222", "44444444444444444444444444444444"
	for name, c := range map[string]struct {
		bug  func(*fakeDemo)
		want string
	}{
		"none":  {func(*fakeDemo) {}, ""},
		"drops": {func(f *fakeDemo) { f.events = slices.Delete(f.events, 7, 8) }, `orders.log at 2{32}:\d+: line 8 came where line 7 was due`},
		"the last": {func(f *fakeDemo) { f.events = f.events[:len(f.events)-2] },
			`worker.log: lines 9 to 10 were written, and did not come within`},
		"doubles":     {func(f *fakeDemo) { f.events = slices.Insert(f.events, 7, f.events[6]) }, `orders.log at 2{32}:0: line 6 came where line 7 was due`},
		"reorders":    {func(f *fakeDemo) { f.events[8], f.events[9] = f.events[9], f.events[8] }, `orders.log at 2{32}:\d+: line 9 came where line 8 was due`},
		"forgets ids": {func(f *fakeDemo) { f.deaf = true; f.events = f.events[:3] }, `orders.log at 1{32}:0: line 1 came where line 3 was due`},
		"moves": {func(f *fakeDemo) { f.events[9] = strings.Replace(f.events[9], second+":", second+":1", 1) },
			`orders.log at 2{32}:1\d+: an entry begins there, where one at \d+ was due`},
		"gap":       {func(f *fakeDemo) { f.events[3] = "event: gap\ndata: {\"missing\":1}" }, `the stream says gap: {"missing":1}`},
		"no JSON":   {func(f *fakeDemo) { f.events[3] = "data: {" }, `an entry is no JSON`},
		"a log":     {func(f *fakeDemo) { f.events[3] = `data: {"source":"/x"}` }, `an entry is of /x, which is none of ours`},
		"no number": {func(f *fakeDemo) { f.events[3] = strings.Replace(f.events[3], "seq=", "s", 1) }, `orders.log at 1{32}:\d+: no number in "s3"`},
		"cuts bytes": {func(f *fakeDemo) { f.raw[fourth] = f.raw[fourth][:20] },
			`worker.log, generation 4{32}: it ends at byte 20, and the file at \d+`},
		"changes bytes": {func(f *fakeDemo) { f.raw[second] = strings.Replace(f.raw[second], "{", "[", 1) },
			`orders.log, generation 2{32}: byte 0 is not the file's`},
		"adds bytes": {func(f *fakeDemo) { f.raw[second] += "x" }, `orders.log, generation 2{32}: byte (\d+) is not the file's, which has \d+`},
		"swaps generations": {func(f *fakeDemo) { f.list = strings.ReplaceAll(strings.ReplaceAll(f.list, "2", "5"), "1", "2") },
			`shop/orders.log`},
		"lists none": {func(f *fakeDemo) { f.list = "[]" }, `GET /logs does not name shop/orders.log`},
		"lists less": {func(f *fakeDemo) {
			f.list = regexp.MustCompile(`"older":\[[^]]*\]`).ReplaceAllString(f.list, `"older":[]`)
		},
			`shop/orders.log: GET /logs names 1 generations of the 2 that were written`},
	} {
		t.Run(name, func(t *testing.T) {
			logs, fake := demoWorld(t)
			c.bug(fake)
			web := httptest.NewServer(fake)
			defer web.Close()
			check := demoCheck{url: web.URL + "/", logs: logs, wait: 50 * time.Millisecond}
			err := check.run(t.Context(), 50*time.Millisecond)
			if c.want == "" {
				if err != nil {
					t.Errorf("of a server that is well: %v, want nothing", err)
				}
				return
			}
			if err == nil || !regexp.MustCompile(c.want).MatchString(err.Error()) {
				t.Errorf("the error is %v, want a match of %q", err, c.want)
			}
		})
	}
}

// The demo's own logs are what its check takes them for.
func TestDemoLogs(t *testing.T) {
	logs := newDemoLogs(t.TempDir(), false)
	if err := logs.open(); err != nil {
		t.Fatal(err)
	}
	defer logs.close()
	for _, l := range logs.all {
		for range 6 {
			if err := l.write(time.Now()); err != nil {
				t.Fatal(err)
			}
			if err := logs.rotate(l); err != nil {
				t.Fatal(err)
			}
		}
		found, err := filepath.Glob(logs.path(l) + "*")
		if err != nil || len(found) != 4 {
			t.Errorf("after six rotations %s has %d files, want itself and three", path.Base(l.name), len(found))
		}
	}
}
