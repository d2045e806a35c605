package main

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"

	"fairlead/logfile"
	"fairlead/ship/plain"
)

// plainDir is where in a store what came in the clear is: a name that no sender has.
const plainDir = "_plain"

// openPlainReceiver opens what takes files in the clear, beside the copies of a store.
func openPlainReceiver(s *receiveSettings, store string, log *slog.Logger) (*plain.Receiver, error) {
	options, err := s.options()
	if err != nil {
		return nil, err
	}
	r := &plain.Receiver{
		Dir: filepath.Join(store, plainDir), Mode: options.Mode, Group: options.Group, HighWater: options.HighWater,
		Local: !s.Plain, Bytes: int64(s.Quota), Files: s.Files, Log: log,
	}
	return r, r.Open()
}

// warnPlain says which listeners of machines take what anybody sends.
func warnPlain(bound []endpoint, log *slog.Logger) {
	for _, e := range bound {
		if addr, ok := e.ln.Addr().(*net.TCPAddr); ok && e.room == roomMachines && !addr.IP.IsLoopback() {
			log.Warn("taking files in the clear off loopback: anyone who reaches the port can store what it likes, and nobody knows who it was",
				"addr", addr.String(), "cure", "ship with keys, without --plain; or a loopback address")
		}
	}
}

// A plainShipping is the room that sends in the clear.
type plainShipping struct {
	*plain.Sender
	lock io.Closer
}

// openPlainShip opens it; cure is for whoever starts two.
func openPlainShip(sender *plain.Sender, cure string) (*plainShipping, error) {
	lock, err := lockRoom(sender.State, cure)
	if err != nil {
		return nil, err
	}
	if err := sender.Open(); err != nil {
		lock.Close()
		return nil, err
	}
	return &plainShipping{sender, lock}, nil
}

func (s *plainShipping) close() error {
	if s == nil {
		return nil
	}
	return s.lock.Close()
}

// openShipPlain opens what `ship --plain` and ship.plain say.
func openShipPlain(s *settings, state string, once bool, set *logfile.Set, log *slog.Logger) (*plainShipping, error) {
	if len(s.Ship.ToOneOf) > 0 {
		return nil, usagef("to_one_of and plain do not go together: what one receiver has, another cannot be asked for in the clear")
	}
	var to []string
	for _, host := range s.Ship.To {
		addr := host
		if _, _, err := net.SplitHostPort(addr); err != nil {
			addr = net.JoinHostPort(strings.Trim(host, "[]"), portOf(defaultMachines))
		}
		if slices.Contains(to, addr) {
			return nil, usagef("%s is one receiver: name it once", addr)
		}
		to = append(to, addr)
	}
	log = log.With("room", "ship")
	log.Warn("shipping in the clear: whoever is on the way can read and change it, and nothing is acknowledged", "to", strings.Join(to, " "))
	return openPlainShip(&plain.Sender{
		Files: set, State: filepath.Join(state, roomDir("ship-plain", s.Self.Name)), To: to, Once: once, Rate: int64(s.Ship.Rate), Log: log,
	}, "with --name NAME there can be another")
}

// A plainInReport is what comes in the clear; its JSON is documented as stable.
type plainInReport struct {
	Senders int64            `json:"senders"` // connections
	Files   int64            `json:"files"`
	Written int64            `json:"written_bytes"` // since the start
	Refused map[string]int64 `json:"refused"`       // connections, by reason
}

// countPlainIn adds what is taken in the clear.
func (r *processReport) countPlainIn(in *plain.Receiver) {
	st := in.Stats()
	r.PlainIn = &plainInReport{st.Connections, st.Files, st.Bytes, st.Refused}
	c := r.Counters
	c["receive_plain_senders"], c["receive_plain_files"] = st.Connections, st.Files
	c["receive_plain_written_bytes_total"], c["receive_plain_sync_errors_total"] = st.Bytes, st.SyncErrors
	for why, n := range st.Refused {
		c[fmt.Sprintf("receive_plain_refused_total{reason=%q}", why)] = n
	}
	if st.SyncErrors > 0 {
		r.problemf("look at the disk", "%d times what came in the clear could not be made durable: it was cut off, and is sent again", st.SyncErrors)
	}
}

// A plainOutReport is how things stand with one receiver; its JSON is documented as stable.
type plainOutReport struct {
	To        string      `json:"to"`
	Connected bool        `json:"connected"` // it answered when it was asked last
	Error     string      `json:"error,omitempty"`
	Sent      int64       `json:"sent_bytes"` // since the start
	Lost      int64       `json:"lost_bytes"`
	Lag       int64       `json:"lag"` // bytes that were not sent
	Files     []plainFile `json:"files"`
}

type plainFile struct {
	Path       string `json:"path"`
	Name       string `json:"name"` // there
	Generation string `json:"generation"`
	Size       int64  `json:"size"`
	Sent       int64  `json:"sent"`
	Stored     int64  `json:"stored"` // as the receiver said when it was asked last
	Error      string `json:"error,omitempty"`
}

// countPlainOut adds what is sent in the clear.
func (r *processReport) countPlainOut(s *plainShipping) {
	c := r.Counters
	for _, h := range s.Status() {
		report := plainOutReport{To: h.To, Connected: h.Up, Error: errText(h.Err), Sent: h.Sent, Lost: h.Lost, Files: []plainFile{}}
		for _, f := range h.Files {
			report.Lag += f.Lag()
			report.Files = append(report.Files, plainFile{f.Path, f.Name, f.Gen, f.Size, f.Sent, f.Stored, errText(f.Err)})
			if f.Err != nil && len(report.Files) <= maxListed {
				r.problemf("", "%s is not taken by %s: %v", f.Path, h.To, f.Err)
			}
		}
		if !h.Up {
			r.problemf("check that a receiver runs there and can be reached; it is tried again and again", "%s: not connected: %s",
				h.To, cmp.Or(errText(h.Err), "not asked yet"))
		}
		c["ship_plain_sent_bytes_total"] += h.Sent
		c["ship_plain_lag_bytes"] = max(c["ship_plain_lag_bytes"], report.Lag)
		c[`lost_bytes_total{room="ship",reason="gone"}`] += h.Lost
		r.PlainOut = append(r.PlainOut, report)
	}
	for i, refused := range s.Refused() {
		if i < maxListed {
			r.problemf("", "%s is not sent to %s: %s", refused.Path, refused.To, refused.Why)
		}
	}
}

// printPlainOut shows how far files are that are sent in the clear.
func printPlainOut(w io.Writer, process string, reports []plainOutReport) {
	for _, r := range reports {
		state := "it answers"
		if !r.Connected {
			state = "NOT CONNECTED: " + r.Error
		}
		fmt.Fprintf(w, "%s to %s, in the clear: %s, %s, %s not sent\n", process, r.To, state, count(int64(len(r.Files)), "generation"), bytesText(r.Lag))
		for _, f := range r.Files {
			fmt.Fprintf(w, "  %s  %.8s  %s of %s sent as %s  %s\n", f.Path, f.Generation, bytesText(f.Sent), bytesText(f.Size), f.Name, f.Error)
		}
	}
}
