//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"fairlead/bench/measure"
)

// The names of ways, as they stand in the tables.
const (
	fairleadPlain = "Fairlead, plain"

	theLimit  = "the limit"
	diskAlone = "disk alone"
	socat     = "socat"
	socatSync = "socat, fsync"
	rsync     = "rsync --fsync"
	rsyslog   = "rsyslog"
)

// A way is a tool that brings files to another directory, as two processes.
type way struct {
	name    string
	single  bool // it knows one file
	follows bool // it goes on while files grow
	lines   bool // what comes are lines, those of all files in one

	// receive and send return the commands of both ends; receive comes first.
	receive, send func(ctx context.Context, t trip) ([]string, error)
	// finish waits until everything is there, and returns when it was.
	finish func(ctx context.Context, l *link) (time.Time, error)
	// copyOf is where the copy of a file is.
	copyOf func(t trip, file string) string
}

// A trip is the way of some files in one trial.
type trip struct {
	source string // directory
	work   string // that of the trial: copies, states, configurations
	port   int    // of the receiver
	serves int    // and where it sends what it has, if it does
	once   bool   // the sender ends when everything is there
	size   int64  // of all files, where that is known
}

func (t trip) addr() string { return loopback(t.port) }

func loopback(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

// made makes a directory of the trial.
func (t trip) made(name string) (string, error) {
	dir := filepath.Join(t.work, name)
	return dir, os.MkdirAll(dir, 0o755)
}

// copies is where those tools put copies that are told where.
func (t trip) copies() string { return filepath.Join(t.work, "copies") }

// A link is both ends, running.
type link struct {
	way
	trip
	receiver, sender *measure.Server
}

// start starts both ends.
func (w way) start(ctx context.Context, t trip) (*link, error) {
	var err error
	if t.port, err = measure.FreePort(); err != nil {
		return nil, err
	}
	if _, err := t.made("copies"); err != nil {
		return nil, err
	}
	l := &link{way: w, trip: t}
	if l.receiver, err = l.end(ctx, w.receive, measure.Peer{Name: w.name + ", receiver", Port: t.port}); err != nil {
		return nil, err
	}
	if l.sender, err = l.end(ctx, w.send, measure.Peer{Name: w.name + ", sender", Port: t.port, Dials: true}); err != nil {
		l.receiver.Stop()
		return nil, err
	}
	return l, nil
}

// end starts one of them.
func (l *link) end(ctx context.Context, command func(context.Context, trip) ([]string, error), p measure.Peer) (*measure.Server, error) {
	argv, err := command(ctx, l.trip)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", p.Name, err)
	}
	p.Argv = func(int, string) []string { return argv }
	return measure.Start(ctx, p, l.work, "")
}

// stop ends both, whatever they are doing.
func (l *link) stop() {
	l.sender.Stop()
	l.receiver.Stop()
}

// used asks both to end, and returns what processor time they have used, with all their processes.
func (l *link) used() (time.Duration, error) {
	if err := errors.Join(l.sender.End(), l.receiver.End()); err != nil {
		return 0, err
	}
	return l.sender.Used() + l.receiver.Used(), nil
}

// blame shows the last words of both.
func (l *link) blame(err error) error { return l.sender.Blame(l.receiver.Blame(err)) }

func senderEnds(ctx context.Context, l *link) (time.Time, error) {
	err := l.sender.Wait(ctx)
	return time.Now(), err
}

func bothEnd(ctx context.Context, l *link) (time.Time, error) {
	err := l.sender.Wait(ctx)
	if err == nil {
		err = l.receiver.Wait(ctx)
	}
	return time.Now(), err
}

// stalled is how long nothing comes until it is thought that nothing will.
const stalled = 8 * time.Second

// allThere is for what never ends.
func allThere(ctx context.Context, l *link) (time.Time, error) {
	at, n, err := grown(ctx, l.copyOf(l.trip, filepath.Join(l.source, fileName(0))), l.size)
	if err == nil && n == 0 {
		err = l.blame(errors.New("nothing came"))
	}
	return at, err
}

// grown waits until a copy has size bytes, or grows no more: what is missing then is lost. It
// returns when it grew last, and how long it is.
func grown(ctx context.Context, path string, size int64) (at time.Time, n int64, err error) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for at = time.Now(); n < size && time.Since(at) < stalled; {
		if fi, err := os.Stat(path); err == nil && fi.Size() > n {
			at, n = time.Now(), fi.Size()
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return at, n, ctx.Err()
		}
	}
	return at, n, nil
}

// findWays builds or finds each tool, and returns a line for each that cannot be had.
func (b *bench) findWays(ctx context.Context, r measure.Run) (leftOut []string) {
	leave := func(name string, err error) {
		leftOut = append(leftOut, fmt.Sprintf("%s is left out: %v", name, err))
		measure.Progress("%s", leftOut[len(leftOut)-1])
	}
	if path, err := measure.BuildFairlead(ctx, r.Root, r.Dir); err != nil {
		leave(measure.Fairlead, err)
	} else {
		b.ways, b.up = append(b.ways, native{path}.way(), plain{path}.way()), native{path}.throughUp()
	}
	if path, err := exec.LookPath("socat"); err != nil {
		leave(socat, err)
	} else {
		b.ways = append(b.ways, socatWay(path, socat, bothEnd), socatWay(path, socatSync, bothEndSynced))
	}
	if path, err := exec.LookPath("rsync"); err != nil {
		leave(rsync, err)
	} else {
		b.ways = append(b.ways, rsyncWay(path))
	}
	if path, err := measure.FindRsyslog(); err != nil {
		leave(rsyslog, err)
	} else {
		b.ways = append(b.ways, rsyslogWay(path))
	}
	return leftOut
}

// find returns a way by its name.
func (b bench) find(name string) (way, bool) {
	for _, w := range b.ways {
		if w.name == name {
			return w, true
		}
	}
	return way{}, false
}

// peers are the ways that can do something, for a case.
func (b bench) peers(can func(way) bool) (peers []measure.Peer) {
	for _, w := range b.ways {
		if can(w) {
			peers = append(peers, measure.Peer{Name: w.name})
		}
	}
	return peers
}

func intoCopies(t trip, file string) string { return filepath.Join(t.copies(), filepath.Base(file)) }

// socatWay is the least that a copy over TCP can be: 256 KiB are read and written, and read and
// written.
func socatWay(path, name string, finish func(context.Context, *link) (time.Time, error)) way {
	const buffer = "-b262144"
	return way{
		name: name, single: true, finish: finish, copyOf: intoCopies,
		receive: func(_ context.Context, t trip) ([]string, error) {
			return []string{path, "-u", buffer, fmt.Sprintf("TCP-LISTEN:%d,bind=127.0.0.1,reuseaddr", t.port),
				"CREATE:" + intoCopies(t, fileName(0))}, nil
		},
		send: func(_ context.Context, t trip) ([]string, error) {
			return []string{path, "-u", buffer, "FILE:" + filepath.Join(t.source, fileName(0)), "TCP:" + t.addr()}, nil
		},
	}
}

// bothEndSynced is bothEnd for a tool that leaves the copy to the page cache: it is made durable,
// by us.
func bothEndSynced(ctx context.Context, l *link) (time.Time, error) {
	if at, err := bothEnd(ctx, l); err != nil {
		return at, err
	}
	f, err := os.Open(intoCopies(l.trip, fileName(0)))
	if err != nil {
		return time.Now(), err
	}
	defer f.Close()
	if err := unix.Fsync(int(f.Fd())); err != nil {
		return time.Now(), fmt.Errorf("make copy durable: %w", err)
	}
	return time.Now(), nil
}

// rsyncConfig is that of a daemon, which takes what comes; it would be nobody if root starts it.
const rsyncConfig = `use chroot = no
reverse lookup = no
uid = %d
gid = %d
[copies]
path = %s
read only = no
`

// rsyncWay is rsync to its daemon, without ssh. Whole files, since there is nothing to compare with.
func rsyncWay(path string) way {
	return way{
		name: rsync, finish: senderEnds, copyOf: intoCopies,
		receive: func(_ context.Context, t trip) ([]string, error) {
			conf := filepath.Join(t.work, "rsyncd.conf")
			err := os.WriteFile(conf, fmt.Appendf(nil, rsyncConfig, os.Getuid(), os.Getgid(), t.copies()), 0o600)
			return []string{path, "--daemon", "--no-detach", "--config=" + conf, "--address=127.0.0.1", "--port=" + strconv.Itoa(t.port)}, err
		},
		send: func(_ context.Context, t trip) ([]string, error) {
			return []string{path, "-a", "-W", "--fsync", t.source + "/", "rsync://" + t.addr() + "/copies/"}, nil
		},
	}
}
