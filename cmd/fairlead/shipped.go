package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"fairlead/logfile"
	"fairlead/replica"
	"fairlead/ship"
)

// A shippedReport is how far a generation is at one receiver; its JSON is documented
// as stable.
type shippedReport struct {
	To           string  `json:"to"`
	State        string  `json:"state"` // as of a shipFile, or disconnected
	Acknowledged int64   `json:"acknowledged"`
	Lag          int64   `json:"lag"`
	LagSeconds   float64 `json:"lag_seconds"`
	Error        string  `json:"error,omitempty"`
}

// links are the receivers; nil where there are none.
func (l *local) links() []ship.LinkStatus {
	if l.ship == nil {
		return nil
	}
	return l.ship.Status()
}

// shippedTo is how far each generation is, by the id that it has here.
func shippedTo(links []ship.LinkStatus, now time.Time) map[string][]shippedReport {
	all := make(map[string][]shippedReport)
	for _, l := range links {
		for i, f := range newShipReport(l, now).Files {
			r := shippedReport{l.To, f.State, f.Acked, f.Lag, f.LagSeconds, f.Error}
			if !l.Up {
				r.State = "disconnected"
			}
			if l.Err != nil {
				r.Error = "not connected: " + l.Err.Error()
			}
			gen := l.Files[i].From.String()
			all[gen] = append(all[gen], r)
		}
	}
	return all
}

// addShipped adds to the sources how far they are.
func (r *processReport) addShipped(links []ship.LinkStatus, now time.Time) {
	if len(links) == 0 {
		return
	}
	shipped := shippedTo(links, now)
	for i := range r.Sources {
		r.Sources[i].Shipped = shipped[r.Sources[i].Generation]
	}
}

// senderIn is the sender in the name of a copy, SENDER:PATH; empty: it is none.
func senderIn(name string) string {
	sender, path, ok := strings.Cut(name, ":")
	if !ok || strings.ContainsAny(sender, `/\`) || !strings.HasPrefix(path, "/") || filepath.IsAbs(name) {
		return ""
	}
	return sender
}

// explain says why a file is collected here, or not, and what becomes of it.
func (l *local) explain(path string) explanation {
	e := explain(l.set, path)
	if e.Generation != "" && l.ship != nil {
		e.Shipped = shippedTo(l.links(), time.Now())[e.Generation]
	}
	if sender := senderIn(e.Path); sender != "" && l.receive != nil && e.Collected {
		e.From = sender
		l.explainCopy(&e)
	}
	return e
}

// explainCopy adds where the newest copy of a log is, and what is known of it.
func (l *local) explainCopy(e *explanation) {
	log, err := l.set.Lookup(e.Path)
	if err != nil {
		return
	}
	st := log.Stat()
	gen := st.Current
	if n := len(st.Old); gen == nil && n > 0 {
		gen = st.Old[n-1]
	}
	if gen == nil {
		return
	}
	e.Generation, e.Size, e.Stored = gen.ID.String(), gen.Size, gen.Path
	e.Copy = l.copyState(e.From, gen.ID)
}

func (l *local) copyState(sender string, gen logfile.GenID) string {
	rec, _, ok, err := l.receive.store.Find(replica.ID{Sender: sender, Gen: gen})
	if err != nil || !ok {
		return ""
	}
	return rec.State.String()
}

// text says it for people.
func (r shippedReport) text() string {
	how := "all acknowledged"
	if r.Lag > 0 {
		how = fmt.Sprintf("%s behind for %s", bytesText(r.Lag), time.Duration(r.LagSeconds*float64(time.Second)).Round(time.Second))
	}
	text := fmt.Sprintf("to %s: %d bytes acknowledged, %s, %s", r.To, r.Acknowledged, how, r.State)
	if r.Error != "" {
		text += ": " + r.Error
	}
	return text
}
