package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// demoLogs are logs that somebody writes and rotates.
type demoLogs struct {
	dir   string
	keep  bool          // all older generations, not only some
	rate  int           // lines per second of all together
	turns time.Duration // between two rotations of a log
	all   []*demoLog

	quit, ended chan struct{} // see stop
}

// A demoLog is one of them. Each of its lines has a number, one more than that of
// the line before.
type demoLog struct {
	name  string
	share int  // of the lines, in percent
	copy  bool // rotated by copying and truncating, else by renaming
	line  func(b *strings.Builder, n int, now time.Time)

	mu    sync.Mutex // guards what follows
	f     *os.File
	n     int // lines written
	bytes int64
	sum   hash.Hash // of all bytes
	turn  int       // rotations
}

func newDemoLogs(dir string, keep bool) *demoLogs {
	return &demoLogs{dir: dir, keep: keep, quit: make(chan struct{}), ended: make(chan struct{}), all: []*demoLog{
		{name: "shop/access.log", share: 50, line: accessLine},
		{name: "shop/orders.log", share: 25, line: orderLine},
		{name: "worker.log", share: 15, copy: true, line: workerLine},
		{name: "system.log", share: 10, line: systemLine},
	}}
}

func (d *demoLogs) path(l *demoLog) string { return filepath.Join(d.dir, filepath.FromSlash(l.name)) }

func (d *demoLogs) open() error {
	for _, l := range d.all {
		if err := os.MkdirAll(filepath.Dir(d.path(l)), 0o755); err != nil {
			return err
		}
		l.sum = sha256.New()
		if err := d.begin(l); err != nil {
			return err
		}
	}
	return nil
}

func (d *demoLogs) close() {
	for _, l := range d.all {
		if l.f != nil {
			l.f.Close()
		}
	}
}

func (d *demoLogs) begin(l *demoLog) (err error) {
	l.f, err = os.OpenFile(d.path(l), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	return err
}

// stop ends run, which has to have begun, and waits for it.
func (d *demoLogs) stop() {
	close(d.quit)
	<-d.ended
}

// run writes and rotates until ctx ends, or stop is called.
func (d *demoLogs) run(ctx context.Context) error {
	defer close(d.ended)
	limit := rate.NewLimiter(rate.Limit(d.rate), max(1, d.rate/20))
	next := make([]time.Time, len(d.all))
	for i := range next {
		next[i] = time.Now().Add(d.turns * time.Duration(i+1) / time.Duration(len(d.all)))
	}
	for limit.Wait(ctx) == nil { // which is soon: there is a line to write
		select {
		case <-d.quit:
			return nil
		default:
		}
		i := d.choose()
		l := d.all[i]
		if err := l.write(time.Now()); err != nil {
			return fmt.Errorf("write %s: %w", l.name, err)
		}
		if time.Now().After(next[i]) {
			next[i] = time.Now().Add(d.turns)
			if err := d.rotate(l); err != nil {
				return fmt.Errorf("rotate %s: %w", l.name, err)
			}
		}
	}
	return nil
}

// choose returns the log of the next line.
func (d *demoLogs) choose() int {
	at := rand.IntN(100)
	for i, l := range d.all {
		if at -= l.share; at < 0 {
			return i
		}
	}
	return 0
}

func (l *demoLog) write(now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	l.line(&b, l.n+1, now)
	b.WriteByte('\n')
	n, err := io.WriteString(l.f, b.String())
	if err != nil {
		return err
	}
	l.n++
	l.bytes += int64(n)
	io.WriteString(l.sum, b.String())
	return nil
}

// rotate does what logrotate does, with create or copytruncate.
func (d *demoLogs) rotate(l *demoLog) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	path := d.path(l)
	older := func(n int) string { return fmt.Sprintf("%s.%d", path, n) }
	for n := l.turn; n > 0; n-- {
		if err := os.Rename(older(n), older(n+1)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	l.turn++
	if !d.keep && l.turn > 3 {
		l.turn--
		os.Remove(older(4))
	}
	if !l.copy {
		if err := os.Rename(path, older(1)); err != nil {
			return err
		}
		l.f.Close()
		return d.begin(l)
	}
	if err := copyFile(path, older(1)); err != nil {
		return err
	}
	return l.f.Truncate(0)
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}

func pick[T any](of []T) T { return of[rand.IntN(len(of))] }

func accessLine(b *strings.Builder, n int, now time.Time) {
	status := pick([]int{200, 200, 200, 200, 200, 200, 200, 200, 304, 304, 301, 404, 404, 500})
	fmt.Fprintf(b, `203.0.113.%d - - [%s] "%s /%s?seq=%d HTTP/1.1" %d %d "-" "%s"`, 1+rand.IntN(250),
		now.Format("02/Jan/2006:15:04:05 -0700"), pick([]string{"GET", "GET", "GET", "POST"}),
		pick([]string{"", "cart", "items/rope", "items/anchor", "items/fairlead", "search", "checkout", "healthz"}), n, status,
		rand.IntN(40000), pick([]string{"Mozilla/5.0 (X11; Linux x86_64)", "curl/8.5.0", "Mozilla/5.0 (iPhone)"}))
}

func orderLine(b *strings.Builder, n int, now time.Time) {
	level, msg := "info", pick([]string{"order placed", "payment accepted", "order packed", "order shipped"})
	switch rand.IntN(20) {
	case 0:
		level, msg = "error", "payment declined: the card has expired"
	case 1, 2:
		level, msg = "warn", "stock is low"
	case 3, 4, 5:
		level, msg = "debug", "cache refreshed"
	}
	fmt.Fprintf(b, `{"time":%q,"level":%q,"msg":%q,"seq":%d,"order":%d,"item":%q,"ms":%d,"customer":{"id":%d,"country":%q}}`,
		now.Format(time.RFC3339Nano), level, msg, n, 10000+rand.IntN(90000), pick([]string{"rope", "anchor", "fairlead", "cleat"}),
		rand.IntN(400), rand.IntN(5000), pick([]string{"NO", "PT", "NL", "JP"}))
}

func workerLine(b *strings.Builder, n int, now time.Time) {
	level, msg := "info", "job finished"
	if rand.IntN(12) == 0 {
		level, msg = "warn", "job is slow, trying again"
	}
	fmt.Fprintf(b, `time=%s level=%s msg=%q seq=%d queue=%s took=%dms`, now.Format(time.RFC3339Nano), level, msg, n,
		pick([]string{"mail", "invoices", "images"}), rand.IntN(3000))
}

func systemLine(b *strings.Builder, n int, now time.Time) {
	fmt.Fprintf(b, "%s quay %s[%d]: %s seq=%d", now.Format("Jan _2 15:04:05"), pick([]string{"sshd", "cron", "kernel"}), 100+rand.IntN(900),
		pick([]string{"\x1b[32mservice started\x1b[0m", "session opened for user harbour", "ERROR: disk sda is 91 % full", "WARN: clock moved by 12 ms",
			"connection closed by 198.51.100.7"}), n)
}
