package stream

import (
	"fmt"
	"strings"
	"time"
)

// A Heartbeat is what a client is sent when nothing else was for a while, so that
// it can tell a quiet stream from a dead one.
type Heartbeat struct {
	Interval  time.Duration // 0: none
	JSON      bool          // an object as data, instead of a comment; over TCP it always is one
	Timestamp bool
	Stats     bool // number of clients, seconds since the start
	End       bool // where the stream ends, so that a client can tell that it is behind
}

// A pulse is one heartbeat.
type pulse struct {
	now     time.Time
	clients int
	uptime  time.Duration
	end     string
}

func (h Heartbeat) comment(p pulse) string {
	var b strings.Builder
	b.WriteString(": heartbeat")
	if h.Timestamp {
		b.WriteString(" " + p.now.UTC().Format(time.RFC3339))
	}
	if h.Stats {
		fmt.Fprintf(&b, " clients=%d uptime=%ds", p.clients, int64(p.uptime.Seconds()))
	}
	if h.End {
		b.WriteString(" end=" + p.end)
	}
	return b.String()
}

// The keys of a heartbeat over SSE and of one over TCP differ, as in LogWisp.
type (
	sseBeat struct {
		Clients *int   `json:"active_clients,omitempty"`
		End     string `json:"end,omitempty"`
		Time    string `json:"timestamp,omitempty"`
		Type    string `json:"type"`
		Uptime  *int64 `json:"uptime_seconds,omitempty"`
	}
	tcpBeat struct {
		Clients *int   `json:"active_connections,omitempty"`
		End     string `json:"end,omitempty"`
		Time    string `json:"time,omitempty"`
		Type    string `json:"type"`
		Uptime  *int64 `json:"uptime_seconds,omitempty"`
	}
)

// object returns the heartbeat as a line.
func (h Heartbeat) object(p pulse, layout string) []byte {
	b := sseBeat{Type: "heartbeat"}
	if h.Timestamp {
		b.Time = p.now.UTC().Format(layout)
	}
	if h.Stats {
		uptime := int64(p.uptime.Seconds())
		b.Clients, b.Uptime = &p.clients, &uptime
	}
	if h.End {
		b.End = p.end
	}
	if layout == time.RFC3339Nano {
		return appendJSON(nil, tcpBeat(b))
	}
	return appendJSON(nil, b)
}

// ssePulse and tcpPulse return a heartbeat as it is sent.
func (h Heartbeat) ssePulse(p pulse) string {
	if h.JSON {
		return "data: " + string(h.object(p, time.RFC3339))
	}
	return h.comment(p) + "\n"
}

func (h Heartbeat) tcpPulse(p pulse) []byte { return h.object(p, time.RFC3339Nano) }

// pulse is what there is to say now.
func (s *Stream) pulse(clients int) pulse {
	sp := s.spool
	return pulse{time.Now(), clients, time.Since(s.started), position(sp.Epoch(), sp.End())}
}

// until is how long the next heartbeat is away, of those that began at a time.
func (h Heartbeat) until(began time.Time) time.Duration {
	return h.Interval - time.Since(began)%h.Interval
}

// timer returns the time of the next heartbeat, and what sets it anew and what
// stops it. Without heartbeats there is none.
func (h Heartbeat) timer(began time.Time) (beat <-chan time.Time, again, stop func()) {
	if h.Interval <= 0 {
		return nil, func() {}, func() {}
	}
	t := time.NewTimer(h.until(began))
	return t.C, func() { t.Reset(h.until(began)) }, func() { t.Stop() }
}
