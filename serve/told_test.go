package serve_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fairlead/logfile"
	"fairlead/serve"
)

const toldName = "web1:/var/log/app.log"

// A receiver is the owner of a copy: it writes more than it tells of.
type receiver struct {
	t    *testing.T
	dir  string
	told *logfile.Told
	gen  logfile.ToldGen // the current one
}

func newReceiver(t *testing.T, set *logfile.Set) *receiver {
	return &receiver{t: t, dir: t.TempDir(), told: set.Told(toldName)}
}

// begin begins a generation with a text.
func (c *receiver) begin(text string) logfile.ToldGen {
	c.t.Helper()
	id := logfile.NewGenID()
	c.gen = logfile.ToldGen{ID: id, Path: filepath.Join(c.dir, id.Short())}
	return c.append(text)
}

func (c *receiver) append(text string) logfile.ToldGen {
	c.t.Helper()
	if err := os.Truncate(c.gen.Path, c.gen.Size); err != nil && !os.IsNotExist(err) {
		c.t.Fatal(err)
	}
	appendTo(c.t, c.gen.Path, text+"not committed\n")
	c.gen.Size += int64(len(text))
	c.gen.Modified = time.Now()
	c.told.Tell(c.gen)
	return c.gen
}

// A copy of another machine's log is served as any log is, as far as it is
// committed, and under its own name.
func TestServeTold(t *testing.T) {
	srv := &serve.Server{Files: newSet()}
	c := newReceiver(t, srv.Files)
	c.begin("one\n")
	r := start(t, srv)
	clients := map[string]string{"0\n": "one\n", "app.log 2\n": "e\n", toldName + " -2\n": "e\n", "/" + toldName + " 0\n": "one\n"}
	var conns []interface{ Read([]byte) (int, error) }
	for header, first := range clients {
		conn := r.dial(header)
		want(t, conn, first)
		conns = append(conns, conn)
	}
	r.clients(4)
	c.append("two\n")
	for _, conn := range conns {
		want(t, conn, "two\n")
	}
	if got := r.srv.Stats().PerLog[toldName]; got != 4 {
		t.Errorf("PerLog = %d, want 4 clients of %s", got, toldName)
	}
	old := c.gen
	c.begin("next\n")
	for _, conn := range conns {
		wantEnd(t, conn)
	}
	want(t, r.dial("4\n"), "\n")
	rename(t, old.Path, old.Path+".ended")
	old.Path, old.Ended = old.Path+".ended", logfile.Rotated
	c.told.Tell(old)
	await(t, func() bool { return r.srv.Stats().Clients == 1 }, "one client")
}

func TestServeToldAtEnd(t *testing.T) {
	for atEnd, then := range map[serve.AtEnd]struct{ next, late, last string }{
		serve.AtEndFollow: {next: "next\n", last: "next\n"},
		serve.AtEndLinger: {late: "late\n", last: "late\n"},
	} {
		t.Run(atEnd.String(), func(t *testing.T) {
			srv := &serve.Server{Files: newSet(), AtEnd: atEnd}
			c := newReceiver(t, srv.Files)
			c.begin("one\n")
			r := start(t, srv)
			conn := r.dial("0\n")
			want(t, conn, "one\n")
			r.sent(4)
			old := c.gen
			c.begin("next\n")
			want(t, conn, then.next)
			c.gen = old
			c.gen.Ended = logfile.Rotated
			c.append("late\n")
			want(t, conn, then.late)
			want(t, r.dial("app.log -5\n"), then.last)
		})
	}
}

func TestHTTPTold(t *testing.T) {
	srv := &serve.Server{Files: newSet()}
	c := newReceiver(t, srv.Files)
	first := c.begin(hundred)
	r := start(t, srv).web()
	follow := r.stream("/logs/app.log?follow&from=" + first.ID.String() + ":98")
	want(t, follow.Body, hundred[98:])
	c.append("live\n")
	want(t, follow.Body, "live\n")
	second := c.begin("next\n")
	wantEnd(t, follow.Body)

	gen := "?gen=" + first.ID.String()
	for path, want := range map[string]struct {
		status int
		body   string
		etag   logfile.GenID
	}{
		"/logs/" + toldName:               {200, "next\n", second.ID},
		"/logs//" + toldName:              {200, "next\n", second.ID},
		"/logs/web1:%2Fvar%2Flog/app.log": {200, "next\n", second.ID},
		"/logs/app.log":                   {200, "next\n", second.ID},
		"/logs/var/log/app.log":           {200, "next\n", second.ID},
		"/logs/" + toldName + gen:         {200, hundred + "live\n", first.ID},
		"/logs/web2:/var/log/app.log":     {404, "", logfile.GenID{}},
		"/logs/app.log?offset=6":          {416, "", second.ID},
	} {
		got := r.get(path, nil)
		if got.status != want.status || got.status == 200 && got.body != want.body || !want.etag.IsZero() && got.header.Get("ETag") != `"`+want.etag.String()+`"` {
			t.Errorf("GET %s = %d %q %s, want %+v", path, got.status, got.body, got.header.Get("ETag"), want)
		}
	}
	if got := r.get("/logs/app.log"+gen, http.Header{"Range": {"bytes=95-104"}}); got.status != 206 || got.body != hundred[95:]+"live\n" {
		t.Errorf("GET of a range = %d %q", got.status, got.body)
	}
	var list []struct {
		Name, State, Generation string
		Size                    int64
		Older                   []struct{ Generation string }
	}
	if err := json.Unmarshal([]byte(r.get("/logs", nil).body), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Name != toldName || list[0].State != "ok" || list[0].Size != 5 ||
		list[0].Generation != second.ID.String() || len(list[0].Older) != 1 || list[0].Older[0].Generation != first.ID.String() {
		t.Errorf("GET /logs = %+v, want %s with both generations", list, toldName)
	}
	c.told.Forget(first.ID)
	if err := os.Remove(first.Path); err != nil {
		t.Fatal(err)
	}
	if got := r.get("/logs/app.log"+gen, nil); got.status != 410 {
		t.Errorf("GET of what was forgotten = %d %q, want 410", got.status, got.body)
	}
	await(t, func() bool { return r.srv.Stats().Clients == 0 }, "no client")
}

// F33: a copy that is damaged cannot be read at the moment, and nothing of it is
// served.
func TestF33ServeDamagedCopy(t *testing.T) {
	srv := &serve.Server{Files: newSet()}
	c := newReceiver(t, srv.Files)
	g := c.begin(hundred)
	r := start(t, srv).web()
	if err := os.Truncate(g.Path, 50); err != nil {
		t.Fatal(err)
	}
	if got := r.get("/logs/app.log", nil); got.status != 503 {
		t.Errorf("GET = %d %q, want 503", got.status, got.body)
	}
	if err := os.Truncate(g.Path, 0); err != nil {
		t.Fatal(err)
	}
	appendTo(t, g.Path, hundred)
	if got := r.get("/logs/app.log", nil); got.status != 200 || got.body != hundred {
		t.Errorf("GET of the file fetched again = %d %q, want 200", got.status, got.body)
	}
}
