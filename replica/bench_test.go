package replica_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"fairlead/logfile"
	"fairlead/replica"
)

// A void is a store that keeps sizes, and no bytes.
type void struct {
	mu   sync.Mutex
	recs map[replica.ID]*replica.Record
	n    int64
}

type voidCopy struct{}

func (voidCopy) ReadAt(p []byte, off int64) (int, error)  { return 0, io.EOF }
func (voidCopy) WriteAt(p []byte, off int64) (int, error) { return len(p), nil }
func (voidCopy) Truncate(int64) error                     { return nil }
func (voidCopy) Close() error                             { return nil }

func (v *void) Find(id replica.ID) (replica.Record, []replica.Hash, bool, error) {
	return replica.Record{}, nil, false, nil
}
func (v *void) Under(string, []string, replica.Head, int) ([]replica.Record, error) { return nil, nil }
func (v *void) Open(id replica.ID, path []string, _ time.Time) (replica.Copy, replica.Record, []replica.Hash, error) {
	return voidCopy{}, replica.Record{ID: id, Path: path}, nil, nil
}
func (v *void) Begin([]replica.New) error { return nil }

func (v *void) End(replica.ID, time.Time) error                       { return nil }
func (v *void) Sync(copies []replica.Copy) []error                    { return make([]error, len(copies)) }
func (v *void) Rehash(replica.ID, int64, int) ([]replica.Hash, error) { return nil, nil }
func (v *void) Commit(updates []replica.Update) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, u := range updates {
		if last := v.recs[u.ID]; last != nil {
			v.n += u.N - last.N
			last.N = u.N
		} else {
			v.n += u.N
			v.recs[u.ID] = &replica.Record{N: u.N}
		}
	}
	return nil
}

func (v *void) bytes() int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.n
}

// An endless file has the same MiB again and again.
type endless struct {
	gen  logfile.GenID
	size int64
	mib  []byte
}

func (f *endless) Gen() logfile.GenID { return f.gen }
func (f *endless) Stat() replica.FileStat {
	return replica.FileStat{Path: []string{f.gen.String()}, Size: f.size, Readable: true}
}
func (f *endless) ReadAt(p []byte, off int64) (int, error) {
	if off >= f.size {
		return 0, io.EOF
	}
	at := off % int64(len(f.mib))
	return copy(p[:min(int64(len(p)), f.size-off)], f.mib[at:]), nil
}

// loop runs a source and a receiver over loopback until done says so.
func loop(t testing.TB, s *replica.Source, r *replica.Receiver, done func() bool) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	here, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	there, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { r.Run(ctx) })
	wg.Go(func() { r.Serve(ctx, "web1", there) })
	wg.Go(func() { s.Run(ctx, here, nil) })
	limit, look := time.After(patience), time.NewTicker(100*time.Microsecond)
	defer look.Stop()
	for over := false; !over && !done(); {
		select {
		case <-limit:
			over = true
		case <-look.C:
		}
	}
	cancel()
	wg.Wait()
	if !done() {
		t.Fatal("it takes too long")
	}
}

// BenchmarkReplica is the throughput of one connection over loopback, to a store that
// keeps nothing: one large file, and many small ones.
func BenchmarkReplica(b *testing.B) {
	for _, bench := range []struct {
		files int
		size  int64
	}{{1, 256 << 20}, {10_000, 1000}} {
		b.Run(fmt.Sprintf("%dx%d", bench.files, bench.size), func(b *testing.B) {
			mib := random(1, 1<<20)
			all := int64(bench.files) * bench.size
			b.SetBytes(all)
			b.ReportAllocs()
			for b.Loop() {
				v := &void{recs: make(map[replica.ID]*replica.Record)}
				s := &replica.Source{}
				for range bench.files {
					s.Add(&endless{logfile.NewGenID(), bench.size, mib})
				}
				loop(b, s, &replica.Receiver{Store: v}, func() bool { return v.bytes() == all })
			}
		})
	}
}

// Ten thousand channels over one connection cost less than 4 KiB each, at both ends
// together.
func TestF41Channels(t *testing.T) {
	const files = 10_000
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	v := &void{recs: make(map[replica.ID]*replica.Record)}
	s, r := &replica.Source{}, &replica.Receiver{Store: v}
	mib := random(1, 1<<20)
	var between, after int64
	before := heap()
	for range files {
		s.Add(&endless{logfile.NewGenID(), 1000, mib})
	}
	between = heap()
	loop(t, s, r, func() bool {
		if v.bytes() < files*1000 {
			return false
		}
		if after == 0 {
			after = heap()
		}
		return true
	})
	t.Logf("%d bytes for each file before it is sent, %d more at both ends while its channel is idle", (between-before)/files, (after-between)/files)
	if each := (after - before) / files; each > 4<<10 {
		t.Errorf("a channel costs %d bytes", each)
	}
}
