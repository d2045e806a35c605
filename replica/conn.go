package replica

import (
	"bufio"
	"cmp"
	"context"
	"io"
	"sync"
	"time"
)

const (
	// Silence is how long a peer may say nothing before it is taken for gone, and
	// pingEvery how often it is asked for a sign of life.
	Silence   = 60 * time.Second
	pingEvery = 15 * time.Second
	// stretch is how many bytes are written at once: so many must get through within
	// Silence, and so many a Limit must let pass at once.
	stretch = 64 << 10
	// framesAhead is how many frames are read before they are taken.
	framesAhead = 4
	// goodbyeFor is how long a peer has to read why its connection ends.
	goodbyeFor = 2 * time.Second
	// A connection is the limit if writes to it blocked for most of a window, and
	// it took less than fast bytes meanwhile.
	window, fast = 100 * time.Millisecond, 10 << 20
)

// A Conn is a connection, as of package net.
type Conn interface {
	io.ReadWriteCloser
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// A Limit delays bytes, as a limiter of golang.org/x/time/rate does. It is asked for at
// most 64 KiB at a time.
type Limit interface {
	WaitN(ctx context.Context, n int) error
}

// Serve answers the connection of a sender, whose key has that name, until it or
// ctx ends. It closes it.
func (r *Receiver) Serve(ctx context.Context, sender string, conn Conn) error {
	s := r.Sink(sender)
	defer s.Close()
	err := runConn(ctx, conn, func(ctx context.Context, run func(func() error)) {
		run(func() error { return takeAll(ctx, readAhead(ctx, conn, run), s.Take) })
		run(func() error { return writeAnswers(ctx, conn, s) })
	})
	return cmp.Or(s.why(), err)
}

// runConn runs what f starts until the first of it fails, and returns its error.
func runConn(ctx context.Context, conn Conn, f func(ctx context.Context, run func(func() error))) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	var wg sync.WaitGroup
	f(ctx, func(g func() error) { wg.Go(func() { cancel(g()) }) })
	wg.Wait()
	conn.Close()
	return context.Cause(ctx)
}

// A hearing reads from a connection as long as it hears anything.
type hearing struct {
	conn     Conn
	deadline time.Time
}

func (h *hearing) Read(p []byte) (int, error) {
	if now := time.Now(); h.deadline.Sub(now) < Silence-time.Second {
		h.deadline = now.Add(Silence)
		h.conn.SetReadDeadline(h.deadline)
	}
	return h.conn.Read(p)
}

// write writes b as long as the peer takes any of it.
func write(ctx context.Context, conn Conn, limit Limit, b []byte) error {
	for len(b) > 0 {
		part := b[:min(len(b), stretch)]
		if limit != nil {
			if err := limit.WaitN(ctx, len(part)); err != nil {
				return err
			}
		}
		conn.SetWriteDeadline(time.Now().Add(Silence))
		if _, err := conn.Write(part); err != nil {
			return err
		}
		b = b[len(part):]
	}
	return nil
}

// frames are read while others are taken. Their buffers are given back.
type frames struct {
	next chan read
	free chan []byte
}

// A read is a frame with the buffer that it is in.
type read struct {
	frame Frame
	buf   []byte
}

func readAhead(ctx context.Context, conn Conn, run func(func() error)) frames {
	fs := frames{make(chan read, framesAhead), make(chan []byte, framesAhead)}
	for range framesAhead {
		fs.free <- nil
	}
	run(func() error {
		in := Reader{R: bufio.NewReader(&hearing{conn: conn})}
		for {
			select {
			case in.buf = <-fs.free:
			case <-ctx.Done():
				return ctx.Err()
			}
			f, err := in.Next()
			if err != nil {
				return err
			}
			fs.next <- read{f, in.buf} // there is room for all buffers
		}
	})
	return fs
}

// takeAll takes frames until one is refused. What comes behind it is passed over
// until the peer has been told, and has gone.
func takeAll(ctx context.Context, fs frames, take func(Frame) error) error {
	var err error
	for {
		select {
		case got := <-fs.next:
			if err == nil {
				err = take(got.frame)
			}
			fs.free <- got.buf
		case <-ctx.Done():
			return cmp.Or(err, ctx.Err())
		}
	}
}

// goodbye gives the peer a moment to read why a connection ends: where bytes that
// nobody read are left when it is closed, the peer is shown a reset and not them.
func goodbye(ctx context.Context, conn Conn) {
	if c, ok := conn.(interface{ CloseWrite() error }); ok && c.CloseWrite() == nil {
		t := time.NewTimer(goodbyeFor)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
}

// writeAnswers writes what a sink has to say. It asks for signs of life too: while the
// disk keeps frames waiting, the sender's own questions wait behind them.
func writeAnswers(ctx context.Context, conn Conn, s *Sink) error {
	ask := time.NewTicker(pingEvery)
	defer ask.Stop()
	var b []byte
	for {
		var over error
		b, over = s.Next(b[:0])
		if err := write(ctx, conn, nil, b); err != nil {
			return err
		}
		if over != nil {
			goodbye(ctx, conn)
			return over
		}
		if len(b) > 0 {
			continue
		}
		select {
		case <-s.Wake():
		case <-ask.C:
			s.put(Frame{Type: TypePing})
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Run sends over a connection until it or ctx ends, and closes it. limit is nil if
// there is none.
func (s *Source) Run(ctx context.Context, conn Conn, limit Limit) error {
	s.Connected()
	defer s.Disconnected()
	err := runConn(ctx, conn, func(ctx context.Context, run func(func() error)) {
		run(func() error { return takeAll(ctx, readAhead(ctx, conn, run), s.Take) })
		full, empty := make(chan []byte), make(chan []byte, 2)
		empty <- nil
		empty <- nil
		run(func() error { return s.fill(ctx, full, empty) })
		run(func() error { return s.drain(ctx, conn, limit, full, empty) })
		for range 2 {
			run(func() error { return s.proveAll(ctx) })
		}
		run(func() error { return s.keepTime(ctx) })
	})
	return cmp.Or(s.why(), err)
}

// fill gathers what is to be sent while what was gathered before is written.
func (s *Source) fill(ctx context.Context, full chan<- []byte, empty <-chan []byte) error {
	for {
		var b []byte
		select {
		case b = <-empty:
		case <-ctx.Done():
			return ctx.Err()
		}
		for {
			var over error
			if b, over = s.Next(b[:0]); len(b) > 0 || over != nil {
				select {
				case full <- b:
				case <-ctx.Done():
					return ctx.Err()
				}
				if over != nil {
					close(full)
					<-ctx.Done()
					return over
				}
				break
			}
			select {
			case <-s.Wake():
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// drain writes it, and finds out whether the connection is the limit.
func (s *Source) drain(ctx context.Context, conn Conn, limit Limit, full <-chan []byte, empty chan<- []byte) error {
	began, blocked, bytes := time.Now(), time.Duration(0), 0
	for {
		var b []byte
		select {
		case b = <-full:
		case <-ctx.Done():
			return ctx.Err()
		}
		if b == nil {
			goodbye(ctx, conn)
			return s.why()
		}
		before := time.Now()
		if err := write(ctx, conn, limit, b); err != nil {
			return err
		}
		s.sent.Add(int64(len(b)))
		now := time.Now()
		blocked, bytes = blocked+now.Sub(before), bytes+len(b)
		empty <- b
		if took := now.Sub(began); took >= window {
			s.Limited(blocked > took*8/10 && float64(bytes) < fast*took.Seconds()/window.Seconds())
			began, blocked, bytes = now, 0, 0
		}
	}
}

func (s *Source) proveAll(ctx context.Context) error {
	for {
		for s.Prove(ctx) {
		}
		select {
		case <-s.Work():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// keepTime asks the receiver for signs of life, and looks at what had to wait.
func (s *Source) keepTime(ctx context.Context) error {
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for n := 1; ; n++ {
		select {
		case <-second.C:
			s.Tick()
			if time.Duration(n)*time.Second%pingEvery == 0 {
				s.Ping()
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
