package plain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"fairlead/internal/durable"
	"fairlead/internal/tcp"
	"fairlead/ship/disk"
	"fairlead/trust"
)

// What a Receiver's fields mean when they are zero.
const (
	DefaultMax           = 4096
	DefaultMaxPerAddress = 2048 // one sender has a connection for each file
	DefaultHighWater     = 0.95
)

const (
	greetFor  = 10 * time.Second // for the first line, and for our answer
	syncAfter = time.Second      // of silence, if there is something to make durable
	syncEvery = 5 * time.Second  // where there is no silence
	fullFor   = 5 * time.Second  // for which nobody is let in once the disk was full
)

// A Receiver stores what senders send, each file as ADDRESS_NAME in one directory. Its
// fields are set before use.
type Receiver struct {
	Dir           string
	Mode          fs.FileMode // of files: 0600
	Group         string      // of files, a name or number
	Bare          bool        // files are called NAME, whoever sends them
	Local         bool        // only who is on this machine may send
	HighWater     float64     // part of the disk above which nothing is accepted; 1 and more: never
	Bytes         int64       // that one address may have here; 0: no limit
	Files         int         // and files
	Max           int         // connections; lowered where descriptors would run out
	MaxPerAddress int
	Log           *slog.Logger // nil discards

	gate  tcp.Gate
	disk  *disk.Dir
	often *rate.Limiter // of lines about those who are turned away
	counters

	mu      sync.Mutex // guards what follows
	writers map[string]*writer
	usage   map[string]*usage // by address
	failed  map[string]int64  // how much of a file is good whose fsync failed
	counted time.Time         // when usage was
	fullAt  time.Time         // when the disk was full
}

// A usage is what one address has.
type usage struct {
	bytes int64
	files int
}

// Open makes the directory, and sees what is in it. No two receivers have the same.
func (r *Receiver) Open() (err error) {
	r.often = rate.NewLimiter(1, 10)
	r.writers, r.failed = make(map[string]*writer), make(map[string]int64)
	if r.disk, err = disk.Open(r.Dir, r.Mode, r.Group, nil); err != nil {
		return fmt.Errorf("open %s: %w", r.Dir, err)
	}
	if err = durable.TryLock(r.disk.Self); err == nil {
		err = r.count()
	}
	if err != nil {
		r.disk.Close()
		return fmt.Errorf("open %s: %w", r.Dir, err)
	}
	return nil
}

// Close gives the directory to others. It comes after Serve.
func (r *Receiver) Close() error { return r.disk.Close() }

// count sees who has how much. r.mu is held, or nobody else knows r.
func (r *Receiver) count() error {
	entries, err := fs.ReadDir(r.disk.Root.FS(), ".")
	r.usage, r.counted = make(map[string]*usage), time.Now()
	for _, e := range entries {
		address, _, ok := strings.Cut(e.Name(), "_")
		fi, err := e.Info()
		if err != nil || !fi.Mode().IsRegular() || !ok && !r.Bare {
			continue
		}
		if r.Bare {
			address = ""
		}
		u := r.usageOf(address)
		u.bytes, u.files = u.bytes+fi.Size(), u.files+1
	}
	return err
}

// countEvery is how often a quota that is used up is looked at again: somebody may have
// removed files.
const countEvery = time.Minute

// usageOf is what an address has. r.mu is held, or nobody else knows r.
func (r *Receiver) usageOf(address string) *usage {
	u := r.usage[address]
	if u == nil {
		u = &usage{}
		r.usage[address] = u
	}
	return u
}

// Serve takes the connections of a listener until ctx ends. What has come is then made
// durable.
func (r *Receiver) Serve(ctx context.Context, ln net.Listener) error {
	defer ln.Close()
	r.gate.Each = 1 // the file
	if r.gate.Open(cmp.Or(r.Max, DefaultMax)) <= 0 {
		return errors.New("too few file descriptors to receive anything: raise the limit (ulimit -n)")
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	keeper := tcp.Doorkeeper{
		Refused: func(peer net.Addr, err error) { r.turnAway(crowded, peer, err) },
		Paused:  func(err error, d time.Duration) { r.log().Warn("accepting pauses", "err", err, "dur", d) },
	}
	for {
		conn, err := r.gate.Accept(ctx, ln, cmp.Or(r.MaxPerAddress, DefaultMaxPerAddress), keeper)
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
				r.gate.Leave(conn)
			}
			return nil
		}
		if err != nil {
			return err
		}
		all.Go(func() { r.serve(ctx, conn) })
	}
}

// serve has one connection, from its first byte to its end.
func (r *Receiver) serve(ctx context.Context, conn net.Conn) {
	defer r.gate.Leave(conn)
	defer conn.Close()
	defer func() {
		if p := recover(); p != nil {
			r.refused[panicked].Add(1)
			r.log().Error("bug contained", "err", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { tcp.Abort(conn) })()
	if why, err := r.receive(ctx, cancel, conn); err != nil && ctx.Err() == nil {
		r.turnAway(why, conn.RemoteAddr(), err)
	}
}

// receive says who was turned away, and why; how a transfer ended it logs itself.
func (r *Receiver) receive(ctx context.Context, end context.CancelCauseFunc, conn net.Conn) (reason, error) {
	if r.Local && !trust.Loopback(conn.RemoteAddr()) {
		return notLocal, errors.New("only who is on this machine may send in the clear; --plain lets others, too")
	}
	if t, ok := conn.(*net.TCPConn); ok {
		tcp.TunePeer(t)
	}
	conn.SetDeadline(time.Now().Add(greetFor))
	line, rest, err := readLine(conn, maxHeader)
	var late net.Error
	switch {
	case errors.As(err, &late) && late.Timeout():
		return lateHeader, err
	case errors.Is(err, io.ErrUnexpectedEOF) && len(line) == 0:
		return badHeader, errors.New("no name came")
	case err != nil:
		return badHeader, err
	}
	name, err := parseName(line)
	if err != nil {
		return badName, err
	}
	w := &writer{r: r, conn: conn, end: end, done: make(chan struct{})}
	w.name, w.address = r.storedAs(conn.RemoteAddr(), name)
	return w.run(ctx, rest)
}

// storedAs is the name of a sender's file, and what its address is counted by. In a name
// an IPv6 address is written in full, with dashes: colons are not for every system.
func (r *Receiver) storedAs(peer net.Addr, name string) (stored, address string) {
	if r.Bare {
		return name, ""
	}
	var ip netip.Addr
	if a, ok := peer.(*net.TCPAddr); ok {
		ip = a.AddrPort().Addr().Unmap().WithZone("")
	}
	address = ip.String()
	if ip.Is6() {
		address = strings.ReplaceAll(ip.StringExpanded(), ":", "-")
	}
	return address + "_" + name, address
}

// turnAway counts and tells why a connection came to nothing, not as often as a
// stranger likes.
func (r *Receiver) turnAway(why reason, peer net.Addr, err error) {
	r.refused[why].Add(1)
	if r.often.Allow() {
		r.log().Warn("a plain connection was turned away", "reason", why.String(), "peer", peer.String(), "err", err)
	}
}

// A roomError is why nothing more is stored.
type roomError struct{ why string }

func (e *roomError) Error() string { return e.why }

func roomErrorf(format string, args ...any) *roomError {
	return &roomError{fmt.Sprintf(format, args...)}
}

// room says why an address may not store more bytes, and as many more files, nil if it
// may.
func (r *Receiver) room(address string, files int) error {
	now := time.Now()
	high := cmp.Or(r.HighWater, DefaultHighWater)
	if filled := r.disk.Space(now).Filled(); filled > high {
		return roomErrorf("the disk is %.0f %% full; above %.0f %% nothing is accepted", 100*filled, 100*high)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.fullAt) < fullFor {
		return roomErrorf("the disk was full a moment ago")
	}
	err := r.quota(address, files)
	if err != nil && now.Sub(r.counted) > countEvery && r.count() == nil {
		err = r.quota(address, files)
	}
	return err
}

// quota is room as far as the quota is concerned. r.mu is held.
func (r *Receiver) quota(address string, files int) error {
	var u usage
	if has := r.usage[address]; has != nil { // else it may never have anything
		u = *has
	}
	switch {
	case r.Bytes > 0 && u.bytes > r.Bytes:
		return roomErrorf("the quota of %s is used up: %d of %d bytes", address, u.bytes, r.Bytes)
	case r.Files > 0 && u.files+files > r.Files:
		return roomErrorf("the quota of %s is used up: %d of %d files", address, u.files, r.Files)
	}
	return nil
}

// use counts what an address has more.
func (r *Receiver) use(address string, n int64, files int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	u := r.usageOf(address)
	u.bytes, u.files = u.bytes+n, u.files+files
}

func (r *Receiver) log() *slog.Logger { return cmp.Or(r.Log, slog.New(slog.DiscardHandler)) }
