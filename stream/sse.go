package stream

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"fairlead/spool"
	"fairlead/trust"
)

const (
	// writeDeadline is how long one write to a client may take, at least.
	writeDeadline = 10 * time.Second
	// A write has sseFirst bytes at most to begin with; after one that was quick
	// sseMost, after one that took more than a second sseLeast.
	sseFirst, sseMost, sseLeast = 64 << 10, 512 << 10, 4 << 10
	// sseRetry is how long a browser waits before it connects again.
	sseRetry = 2 * time.Second
	// sseDrain is how long clients are sent what is there when we end.
	sseDrain = 5 * time.Second
)

// An SSE sends entries as Server-Sent Events to whoever asks by HTTP. Its fields
// are set before use.
type SSE struct {
	Stream    *Stream
	Heartbeat Heartbeat
	Origin    string // Access-Control-Allow-Origin; empty: none, so no page of another site can read it

	outlet
	searches turns // of those who ask for what was before
}

// Stats returns the counters.
func (x *SSE) Stats() OutletStats { return x.stats(x.Stream.spool.End()) }

// An sseQuery is what a client asks for.
type sseQuery struct {
	filter *Filter
	place  string // an id: what is behind it, or before it, is asked for
	before bool
	tail   int // entries before that, or before the end
}

// parseQuery refuses what it does not know: a misspelt word would otherwise mean
// other entries. LogWisp ignored all of it.
func (x *SSE) parseQuery(r *http.Request) (q sseQuery, err error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return q, err
	}
	known := []string{"source", "level", "q", "regex", "exclude", "tail", "after", "before"}
	for key := range values {
		if !slices.Contains(known, key) && !x.Stream.opt.LogWisp {
			return q, fmt.Errorf("unknown query %q: there are %s", key, strings.Join(known, ", "))
		}
	}
	if q.filter, err = ParseFilter(values); err != nil {
		return q, err
	}
	q.filter = q.filter.and(x.Stream.filter)
	q.place = values.Get("after")
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		q.place = id // the browser knows better than the address it began with
	}
	if text := values.Get("tail"); text != "" {
		q.tail, err = strconv.Atoi(text)
		if err != nil || q.tail < 0 || q.tail > maxTail {
			return q, fmt.Errorf("tail %q: want a number from 0 to %d", text, maxTail)
		}
	}
	if id := values.Get("before"); id != "" {
		switch {
		case q.place != "":
			return q, errors.New("both before and after (or a Last-Event-ID): give one of them")
		case q.tail == 0:
			return q, errors.New("before says where to go back from, and tail how many entries: give both")
		}
		q.place, q.before = id, true
	}
	return q, nil
}

func (x *SSE) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := trust.OtherSite(r, x.Origin); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	q, err := x.parseQuery(r)
	var at spool.Pos
	if err == nil && q.place != "" {
		at, err = spool.ParsePos(q.place)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s := x.Stream
	c := &sseClient{sse: x, w: w, rc: http.NewResponseController(w), reader: s.newReader(&x.outlet, s.views.join(q.filter, true), s.spool.End())}
	defer c.close()
	gap, err := c.begin(r.Context(), q, at)
	until := c.off.Load()
	if err == nil && gap == nil && q.before {
		err = c.goBack(r.Context(), q.tail)
	}
	var bad badPosition
	switch {
	case r.Context().Err() != nil:
		http.Error(w, "we end", http.StatusServiceUnavailable) // or the client has gone
		return
	case errors.As(err, &bad):
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	case err != nil:
		s.log().Error("cannot begin a stream", "err", err, "peer", r.RemoteAddr)
		http.Error(w, "the spool cannot be read", http.StatusInternalServerError)
		return
	}
	x.header(w.Header())
	if q.before {
		err = c.sendUntil(r.Context(), gap, until)
	} else {
		err = c.run(r.Context(), gap)
	}
	if err != nil {
		s.log().Debug("client left", "err", err, "peer", r.RemoteAddr)
	}
}

func (x *SSE) header(h http.Header) {
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	h.Set("X-Content-Type-Options", "nosniff")
	if x.Origin != "" {
		h.Set("Access-Control-Allow-Origin", x.Origin)
	}
	if x.Stream.opt.LogWisp {
		h.Set("Cache-Control", "no-cache")
		h.Set("Connection", "keep-alive")
	}
}

// An sseClient is one response.
type sseClient struct {
	*reader
	sse      *SSE
	w        http.ResponseWriter
	rc       *http.ResponseController
	deadline time.Time // of writes
	piece    int       // the most to write at once; see sseFirst
}

// badPosition is an id that no client can have been given.
type badPosition string

func (b badPosition) Error() string {
	return fmt.Sprintf("%q is not the position of an entry", string(b))
}

// begin puts the client where it was, or wants to begin, and returns what it has
// missed, if so.
func (c *sseClient) begin(ctx context.Context, q sseQuery, at spool.Pos) (gap []byte, err error) {
	sp := c.stream.spool
	switch end := sp.End(); {
	case q.place == "":
		off, err := c.stream.back(ctx, search{view: c.look.view, most: maxBack}, end, q.tail)
		c.off.Store(off)
		return nil, err
	case at.Epoch != sp.Epoch(), at.Off > end:
		// Of another epoch nobody knows what the client has got beyond what its
		// marks say. It is told all that may be missing, and goes on at the end.
		end, stands := c.stream.end()
		missing, err := c.stream.missing(at, nil, end, stands)
		c.off.Store(end)
		c.out.gap(end - min(at.Off, end))
		return appendGap(nil, missing), err
	}
	c.off.Store(at.Off)
	if gap, err = c.settle(); err != nil || gap != nil {
		return gap, err
	}
	if first, err := firstEntry(c.seg, at.Off); err != nil || first != at.Off {
		return nil, errors.Join(badPosition(q.place), err)
	}
	return nil, nil
}

// run sends events until ctx ends or the client is gone.
func (c *sseClient) run(ctx context.Context, gap []byte) error {
	if err := c.write(c.greeting(gap)); err != nil {
		return err
	}
	beat, again, stop := c.sse.Heartbeat.timer(time.Now())
	defer stop()
	for ctx.Err() == nil {
		changed := c.stream.spool.Changed()
		sent, err := c.send()
		if err != nil {
			return err
		}
		if sent {
			continue
		}
		beats, err := c.wait(ctx, changed, beat)
		if err != nil {
			break
		}
		if beats {
			again()
			p := c.stream.pulse(c.sse.clients())
			if err := c.write([]byte(c.sse.Heartbeat.ssePulse(p) + "id: " + c.id() + "\n\n")); err != nil {
				return err
			}
		}
	}
	return c.finish()
}

// finish sends what is there when we end, and says that we do.
func (c *sseClient) finish() error {
	end, limit := c.stream.spool.End(), time.Now().Add(sseDrain)
	for c.off.Load() < end && time.Now().Before(limit) {
		if sent, err := c.send(); err != nil || !sent {
			return err
		}
	}
	return c.write([]byte("event: shutdown\nid: " + c.id() + "\ndata: {}\n\n"))
}

// greeting is what comes before the entries.
func (c *sseClient) greeting(gap []byte) (out []byte) {
	if !c.stream.opt.LogWisp {
		out = fmt.Appendf(out, "retry: %d\n", sseRetry.Milliseconds())
	}
	out = fmt.Appendf(out, "event: connected\nid: %s\ndata: {\"client_id\":\"%d\"}\n\n", c.id(), time.Now().UnixNano())
	return c.appendGap(out, gap)
}

func (c *sseClient) appendGap(out, gap []byte) []byte {
	if gap == nil {
		return out
	}
	return appendEvent(out, c.look.view.epoch, gap, c.off.Load())
}

func (c *sseClient) id() string { return position(c.stream.spool.Epoch(), c.off.Load()) }

// send sends what is there; sent is false if that is nothing.
func (c *sseClient) send() (sent bool, err error) {
	gap, err := c.settle()
	if err != nil {
		return false, err
	}
	if gap != nil {
		return true, c.write(c.appendGap(nil, gap))
	}
	data, next, err := c.stream.views.read(c.look, c.seg, c.off.Load())
	if err != nil {
		return false, err
	}
	if len(data) > 0 {
		err = c.write(data)
	}
	moved := c.off.Swap(next) != next
	return moved, err
}

// write sends whole events, in pieces of which each has its time: a client that
// takes little is slow, one that takes nothing is gone. The deadline is moved only
// now and then, so a piece has writeDeadline, or up to half as much more.
func (c *sseClient) write(p []byte) error {
	for len(p) > 0 {
		now := time.Now()
		if c.deadline.Sub(now) < writeDeadline {
			c.deadline = now.Add(writeDeadline * 3 / 2)
			if err := c.rc.SetWriteDeadline(c.deadline); err != nil {
				return err
			}
		}
		n, err := c.w.Write(p[:min(len(p), cmp.Or(c.piece, sseFirst))])
		c.sse.sent.Add(int64(n))
		if err != nil {
			return err
		}
		switch took := time.Since(now); {
		case took > time.Second:
			c.piece = sseLeast
		case took < time.Second/10:
			c.piece = sseMost
		}
		p = p[n:]
	}
	return c.rc.Flush()
}

// eventName is what an event begins with that is no entry.
var eventName = []byte("event: ")

// position is an id: the place in the spool that a client has come to.
func position(epoch spool.Epoch, off int64) string { return spool.Pos{Epoch: epoch, Off: off}.String() }

// appendEvent appends a line of the spool as an event. Neither the event's name
// nor its id ever comes from a log, and a line of ours has no CR or LF within.
func appendEvent(out []byte, epoch string, line []byte, next int64) []byte {
	switch {
	case bytes.HasPrefix(line, gapStart):
		out = append(out, "event: gap\n"...)
	case bytes.HasPrefix(line, rotateStart):
		out = append(out, "event: rotate\n"...)
	}
	out = append(append(out, "id: "...), epoch...)
	out = strconv.AppendInt(out, next, 10)
	out = append(append(out, "\ndata: "...), line...)
	return append(out, '\n')
}
