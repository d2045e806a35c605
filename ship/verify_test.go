package ship_test

import (
	"bytes"
	"context"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"fairlead/logfile"
	"fairlead/replica"
	"fairlead/ship"
	"fairlead/ship/store"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// received starts a receiver and returns how to reach it, and its store.
func received(t *testing.T, o store.Options) (ship.Destination, *store.Store) {
	s, err := store.Open(t.TempDir(), o)
	must(t, err)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r := &ship.Receiver{Store: s, Name: "vault", Sender: func(net.Conn) (string, bool) { return "web1", true }}
	run(t, func(ctx context.Context) error { return r.Serve(ctx, ln) }, s.Close)
	return ship.Destination{Name: "vault", Dial: func(ctx context.Context) (replica.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", ln.Addr().String())
	}}, s
}

// run runs f until the test ends, then what comes after.
func run(t *testing.T, f func(context.Context) error, after ...func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		for _, f := range after {
			must(t, f())
		}
	})
}

// Both ends of real files are compared, and each is told for what it is.
func TestVerify(t *testing.T) {
	dir := t.TempDir()
	b := bytes.Repeat([]byte("a line of a log\n"), 3<<16)
	b = append(b, "the end"...)
	for _, name := range []string{"equal", "f6", "absent", "rotted", "empty"} {
		text := b
		if name == "empty" {
			text = nil
		}
		must(t, os.WriteFile(filepath.Join(dir, name+".log"), text, 0o600))
	}
	to, st := received(t, store.Options{})
	set := &logfile.Set{}
	must(t, set.Add(dir))
	run(t, set.Run)
	s := &ship.Sender{Files: set, State: t.TempDir(), To: []ship.Group{{to}}}
	must(t, s.Open())
	run(t, s.Run)
	until(t, s.Settled)
	_, list, ok := s.Candidates("vault")
	if !ok || len(list) != 5 {
		t.Fatalf("Candidates = %v, %v, want five", list, ok)
	}
	other := bytes.Clone(b[3<<19 : 3<<19+1])
	other[0] ^= 1
	write(t, filepath.Join(dir, "f6.log"), other, 3<<19)
	for rec, file := range st.All {
		if rec.Path[len(rec.Path)-1] == "rotted.log" {
			write(t, file, []byte("XX"), 3<<20)
		}
	}
	if _, _, ok := s.Candidates("nobody"); ok {
		t.Error("Candidates of nobody: ok, want not")
	}
	for i := range list {
		switch filepath.Base(list[i].Path) {
		case "empty.log":
			list[i].Acked = 5 // as if it had been more
		case "absent.log":
			list[i].As, list[i].Acked = logfile.NewGenID(), 0
		}
	}
	got := make(map[string]ship.Verified)
	for v, err := range (&ship.Verifier{To: to, Sample: replica.Sample{Full: true}}).Run(t.Context(), list) {
		must(t, err)
		got[filepath.Base(v.Path)] = v
	}
	for name, want := range map[string]struct {
		outcome ship.Outcome
		differs []replica.Difference
	}{
		"equal.log":  {ship.Equal, nil},
		"f6.log":     {ship.Differs, []replica.Difference{{Leaf: 1, Why: replica.OtherBytes}}},
		"absent.log": {ship.Absent, nil},
		"rotted.log": {ship.Differs, []replica.Difference{{Leaf: 3, Why: replica.OtherBytes}}},
		"empty.log":  {ship.Differs, []replica.Difference{{Leaf: 0, Why: ship.LessThanAcked}}},
	} {
		if v := got[name]; v.Outcome != want.outcome || !slices.Equal(v.Differs, want.differs) {
			t.Errorf("%s: %s, %v, want %s, %v", name, v.Outcome, v.Differs, want.outcome, want.differs)
		}
	}
}

func until(t *testing.T, cond func() bool) {
	t.Helper()
	for limit := time.After(30 * time.Second); !cond(); {
		select {
		case <-limit:
			t.Fatal("waited for too long")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func write(t *testing.T, path string, p []byte, off int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, fs.FileMode(0))
	must(t, err)
	_, err = f.WriteAt(p, off)
	must(t, err)
	must(t, f.Close())
}
