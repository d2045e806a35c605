package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"fairlead/logfile"
	"fairlead/serve"
	"fairlead/stream"
)

// A processReport is what GET /status on the local socket answers, and what
// `status -o json` prints for each process. It is documented as stable.
type processReport struct {
	Command   string           `json:"command"`
	Name      string           `json:"name,omitempty"`
	PID       int              `json:"pid"`
	Version   string           `json:"version"`
	Started   time.Time        `json:"started"`
	Uptime    float64          `json:"uptime_seconds"`
	Ready     bool             `json:"ready"`
	Problems  []problem        `json:"problems"`
	Listeners []listenerReport `json:"listeners"`
	Sources   []sourceReport   `json:"sources"`
	Ship      []shipReport     `json:"ship,omitempty"`          // to each receiver
	Lost      []lostReport     `json:"lost,omitempty"`          // the newest that could not be sent
	Receive   *receiveReport   `json:"receive,omitempty"`       // from senders
	PlainOut  []plainOutReport `json:"ship_plain,omitempty"`    // in the clear, to each receiver
	PlainIn   *plainInReport   `json:"receive_plain,omitempty"` // in the clear, from senders
	Counters  map[string]int64 `json:"counters"`                // named as the metrics are, without the prefix
}

// A problem is something that is not as it should be, and what to do about it.
type problem struct {
	What string `json:"what"`
	Cure string `json:"cure,omitempty"`
}

type listenerReport struct {
	Room    string `json:"room"` // serve or http
	Address string `json:"address"`
	TLS     bool   `json:"tls"`
}

type sourceReport struct {
	Name       string    `json:"name"`
	State      string    `json:"state"` // ok, missing, unreadable, parked; of a mirror also waiting, disconnected
	Generation string    `json:"generation,omitempty"`
	Size       int64     `json:"size"`
	Read       *int64    `json:"read,omitempty"` // bytes of this generation that entries were made of; only where they are
	Modified   time.Time `json:"modified,omitzero"`
	Clients    int64     `json:"clients"`
	Error      string    `json:"error,omitempty"`

	From    string          `json:"from,omitempty"`    // of a copy: its sender
	Shipped []shippedReport `json:"shipped,omitempty"` // how far this generation is, at each receiver
}

// status says how this process is doing.
func (l *local) status() processReport {
	r := processReport{
		Command: l.command, Name: l.name, PID: os.Getpid(), Version: buildVersion().Version,
		Started: l.started.Round(0), Uptime: time.Since(l.started).Seconds(), Ready: true,
		Problems: []problem{}, Listeners: []listenerReport{}, Sources: []sourceReport{}, Counters: map[string]int64{},
	}
	for _, e := range l.bound {
		r.Listeners = append(r.Listeners, listenerReport{e.room, e.addr(), e.tls})
	}
	var clients map[string]int64
	if l.server != nil {
		st := l.server.Stats()
		clients = st.PerLog
		r.countServer(st)
	}
	links, now := l.links(), time.Now()
	if l.set != nil {
		r.addSources(l.set.Logs(), clients, l.read())
		r.addShipped(links, now)
		r.countSet(l.set.Stats())
	}
	if l.stream != nil {
		r.countStream(l)
	}
	if l.ship != nil {
		r.countShip(l.ship, links, now)
	}
	if l.receive != nil {
		r.countReceive(l.receive)
	}
	if l.plainOut != nil {
		r.countPlainOut(l.plainOut)
	}
	if l.plainIn != nil {
		r.countPlainIn(l.plainIn)
	}
	if l.ship != nil || l.receive != nil {
		l.found.count(&r)
	}
	if l.mirror != nil {
		r.addMirror(l.mirror.Path, l.mirror.Stats())
	}
	if l.problems != nil {
		r.Problems = append(r.Problems, l.problems()...)
	}
	return r
}

// read is how far the entries of each generation go; nil where there are none.
func (l *local) read() map[logfile.GenID]int64 {
	if l.stream == nil {
		return nil
	}
	return l.stream.Read()
}

func (r *processReport) problemf(cure, format string, args ...any) {
	r.Problems = append(r.Problems, problem{fmt.Sprintf(format, args...), cure})
}

// addSources adds the logs. A process that can read none of its files is not
// ready; one that can read some has a problem.
func (r *processReport) addSources(logs []*logfile.Log, clients map[string]int64, read map[logfile.GenID]int64) {
	bad := 0
	for _, l := range logs {
		st := l.Stat()
		s := sourceReport{Name: l.Name(), State: stateOf(st), Clients: clients[l.Name()], From: senderIn(l.Name())}
		if st.Current != nil {
			s.Generation, s.Size, s.Modified = st.Current.ID.String(), st.Current.Size, st.Current.Modified
		}
		if st.Current != nil && read != nil {
			n := read[st.Current.ID]
			s.Read = &n
		}
		if st.Err != nil {
			bad++
			s.Error = st.Err.Error()
			if bad <= maxListed {
				r.problemf(cureOf(st.Err), "%s: %v", s.Name, st.Err)
			}
		}
		r.Sources = append(r.Sources, s)
	}
	if bad > maxListed {
		r.problemf("", "%d more files cannot be read", bad-maxListed)
	}
	r.Ready = r.Ready && (bad == 0 || bad < len(logs))
}

// maxListed is how many of a kind are listed for people.
const maxListed = 20

func stateOf(st logfile.Stat) string {
	switch {
	case errors.Is(st.Err, logfile.ErrParked):
		return "parked"
	case st.Err != nil:
		return "unreadable"
	case st.Current == nil:
		return "missing"
	}
	return "ok"
}

func cureOf(err error) string {
	switch {
	case errors.Is(err, logfile.ErrParked):
		return "leave it alone for ten minutes; logs are files that grow"
	case errors.Is(err, fs.ErrPermission):
		return "run as a user or group that may read it: often group adm"
	case errors.Is(err, logfile.ErrNoWatches):
		return "raise fs.inotify.max_user_watches and max_user_instances (sysctl)"
	}
	return ""
}

func (r *processReport) countSet(st logfile.Stats) {
	c := r.Counters
	c["sources"], c["sources_parked"] = st.Logs, st.Parked
	c["source_late_bytes_total"] = st.LateBytes
	c["watch_fallback"], c["watch_overflows_total"] = st.PolledDirs, st.Overflows
	c["pinned_bytes"], c["open_descriptors"] = st.PinnedBytes, st.Held
	for reason, n := range st.Generations {
		c[fmt.Sprintf("source_generations_total{reason=%q}", reason)] = n
	}
	for reason, n := range st.LostBytes {
		c[fmt.Sprintf("lost_bytes_total{room=%q,reason=%q}", r.Command, reason)] = n
		r.problemf("the log of this process has the ranges", "%d bytes were gone before they could be read (%s)", n, reason)
	}
	switch err := st.WatchErr; {
	case errors.Is(err, fs.ErrPermission): // its text names the directory
		r.problemf(cureOf(err), "a directory cannot be read, so files in it may be missed: %v", err)
	case err != nil:
		r.problemf(cureOf(err), "%d directories are polled, for want of events: %v", st.PolledDirs, err)
	}
}

func (r *processReport) countServer(st serve.Stats) {
	c := r.Counters
	c["serve_clients"], c["serve_sent_bytes_total"] = st.Clients, st.SentBytes
	for reason, n := range st.Resets {
		c[fmt.Sprintf("serve_resets_total{reason=%q}", reason)] = n
	}
}

func (r *processReport) countStream(l *local) {
	st := l.stream.Stats()
	c := r.Counters
	c["spool_bytes"], c["spool_oldest_offset"], c["spool_pinned_bytes"] = st.Spool.Bytes, st.Spool.Start, st.Spool.Pinned
	for level, n := range st.Entries {
		c[fmt.Sprintf("stream_entries_total{level=%q}", level)] = n
	}
	for proto, o := range map[string]stream.OutletStats{"sse": l.events.Stats(), "tcp": l.entries.Stats()} {
		c[fmt.Sprintf("stream_clients{proto=%q}", proto)] = o.Clients
		c[fmt.Sprintf("stream_sent_bytes_total{proto=%q}", proto)] = o.Sent
		c[fmt.Sprintf("stream_gaps_total{proto=%q}", proto)] = o.Gaps
		c[fmt.Sprintf("stream_gap_bytes_total{proto=%q}", proto)] = o.Gapped
		c[fmt.Sprintf("stream_behind_bytes{proto=%q}", proto)] = o.Behind
	}
	r.Ready = r.Ready && l.stream.Reading() // a moment after the start
	if st.Err != nil {
		r.Ready = false
		r.problemf("make room on the disk of the state directory", "the spool cannot be written, and nothing is read meanwhile: %v", st.Err)
	}
	if err := st.Spool.SyncErr; err != nil {
		r.problemf("look at the disk of the state directory", "the spool could not be made durable; after a power cut clients will be told of a gap: %v", err)
	}
}

func (r *processReport) addMirror(path string, st serve.MirrorStats) {
	s := sourceReport{Name: path, State: "ok", Size: st.Size}
	switch {
	case !st.Connected:
		s.State = "disconnected"
		s.Error = cmp.Or(errText(st.Err), "not connected yet")
		r.Ready = false
		r.problemf("check that the server runs and can be reached; it is tried again and again", "%s: %s", path, s.Error)
	case st.Waiting:
		s.State = "waiting"
		r.problemf("nothing, if the server's file has begun anew; else it is another file",
			"%s: the server's file is shorter than the copy", path)
	}
	r.Sources = append(r.Sources, s)
	c := r.Counters
	c["mirror_received_bytes_total"], c["mirror_connects_total"] = st.Received, st.Connects
	c[`source_generations_total{reason="diverged"}`] = st.Diverged
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
