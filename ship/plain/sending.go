package plain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"fairlead/internal/tcp"
	"fairlead/logfile"
)

// What is sent at a time.
const minPiece, maxPiece = 64 << 10, 1 << 20

// stuckAfter is after how many attempts that brought nothing to the receiver a Sender
// that is to end gives a file up.
const stuckAfter = 5

// A sending is a generation on its way to a receiver. There is never more than one
// connection for it.
type sending struct {
	s   *Sender
	h   *host
	gen logfile.GenID

	mu      sync.Mutex // guards what follows
	log     *logfile.Log
	name    string
	running bool
	again   bool  // there was news while it ran
	asked   bool  // far is what the receiver has said, if not in this process
	far     int64 // what the receiver has, as it said last
	sent    int64 // what there is and what is on its way
	over    bool  // the receiver has all there will be, or it is lost
	err     error // why nothing is sent at the moment
	stuck   bool  // it was given up
}

// partOf notes that a log has a part of the generation: the newest counts.
func (e *sending) partOf(l *logfile.Log, g *logfile.Gen) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.log != l && (g.From > 0 || g.End == nil) {
		e.log = l
	}
}

// part returns the log, and what it knows now.
func (e *sending) part() (*logfile.Log, logfile.Stat) {
	e.mu.Lock()
	l := e.log
	e.mu.Unlock()
	return l, l.Stat()
}

func (e *sending) stored() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		return 1<<63 - 1
	}
	return max(0, e.far)
}

func (e *sending) isOver() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.over
}

// poke sees to it that what there is is sent.
func (e *sending) poke(ctx context.Context) {
	_, st := e.part()
	g := st.Find(e.gen)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case g == nil || e.asked && g.Size <= e.sent && !(g.End != nil && !e.over):
		return
	case e.running:
		e.again = true
		return
	}
	e.running, e.over, e.stuck = true, false, false
	e.s.all.Go(func() { e.run(ctx) })
}

// run connects again and again until there is nothing to send.
func (e *sending) run(ctx context.Context) {
	for tries := 0; ; {
		before := e.farNow()
		done, err := e.once(ctx)
		if ctx.Err() != nil || done && err == nil && e.rests() {
			return
		}
		var host *hostError
		switch {
		case errors.As(err, &host): // which waits for all its files
			continue
		case e.farNow() > before:
			tries = 0
		}
		e.note(err, tries)
		tries++
		if e.s.Once && tries > stuckAfter {
			e.giveUp()
			return
		}
		if tries > 1 && sleep(ctx, backoff(tries-1)) != nil {
			return
		}
	}
}

func (e *sending) farNow() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.far
}

// rests ends run, unless there was news.
func (e *sending) rests() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.again {
		e.again = false
		return false
	}
	e.running = false
	return true
}

// giveUp is for a receiver that never has what it was sent.
func (e *sending) giveUp() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stuck, e.running = true, false
}

// note says when it changes why nothing is sent. That a connection breaks once is
// not worth a line of its own: the host tells if the receiver has gone.
func (e *sending) note(err error, tries int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil && tries == 0 {
		return
	}
	if err != nil && e.err == nil {
		e.s.log().Warn("a file is not sent; trying again", "path", e.log.Name(), "gen", e.gen.Short(), "peer", e.h.addr, "err", err)
	}
	e.err = err
}

// A hostError is one that the host tells of.
type hostError struct{ error }

// once makes one connection, and sends what there is and what comes. Done is true when
// nothing is left to be sent, or asked.
func (e *sending) once(ctx context.Context) (done bool, err error) {
	if err := e.h.slots.acquire(ctx); err != nil {
		return false, err
	}
	defer e.h.slots.release()
	conn, far, err := e.ask(ctx)
	if conn.TCPConn != nil {
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { tcp.Abort(conn.TCPConn) })()
	}
	if err != nil {
		return false, err
	}
	defer e.h.answered()()
	l, st := e.part()
	g := st.Find(e.gen)
	if g == nil { // nobody knows it any more
		e.mu.Lock()
		defer e.mu.Unlock()
		e.over = true
		return true, nil
	}
	if far > g.Size {
		e.renamed("the receiver has more of this name than the file has: what it has is of something else", far, g.Size)
		return false, e.s.names.save()
	}
	e.mu.Lock()
	e.far, e.sent, e.asked = far, far, true
	e.mu.Unlock()
	e.s.log().Debug("sending", "path", l.Name(), "gen", e.gen.Short(), "peer", e.h.addr, "off", far)
	return e.stream(ctx, conn, far)
}

// ask connects, and asks how much there is. A connection is to be closed, also beside an
// error.
func (e *sending) ask(ctx context.Context) (conn attempt, far int64, err error) {
	select {
	case e.h.asking <- struct{}{}:
		defer func() { <-e.h.asking }()
	case <-ctx.Done():
		return conn, 0, ctx.Err()
	}
	if conn, err = e.h.connect(ctx); err != nil {
		return conn, 0, &hostError{err}
	}
	defer context.AfterFunc(ctx, func() { tcp.Abort(conn.TCPConn) })()
	e.mu.Lock()
	name := e.name
	e.mu.Unlock()
	if far, err = e.greet(conn, name); err != nil {
		err = fmt.Errorf("ask %s what it has of %s: %w", e.h.addr, name, err)
		e.h.failed(ctx, conn.tries, err)
	}
	return conn, far, err
}

// greet says the name and hears how much there is.
func (e *sending) greet(conn attempt, name string) (far int64, err error) {
	conn.SetDeadline(time.Now().Add(e.s.Timeout))
	defer conn.SetDeadline(time.Time{})
	if _, err := conn.Write([]byte(name + "\n")); err != nil {
		return 0, err
	}
	line, rest, err := readLine(conn, maxDigits+1)
	if err == nil && len(rest) > 0 {
		err = errors.New("there is more behind the length")
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("it closed the connection")
	}
	if err != nil {
		return 0, err
	}
	return parseLength(line)
}

// renamed gives the generation another name there. What is under the old one stays.
func (e *sending) renamed(why string, far, size int64) {
	l, _ := e.part()
	r := e.s.names.another(e.h.addr, l.Name(), e.gen)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.s.log().Error(why, "path", l.Name(), "gen", e.gen.Short(), "peer", e.h.addr, "name", e.name, "off", far, "size", size, "now", r.name)
	e.name, e.far, e.sent, e.asked = r.name, 0, 0, false
}
