package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"fairlead/ship"
)

// A shipReport is how things stand with one receiver; its JSON is documented as
// stable.
type shipReport struct {
	To        string     `json:"to"`
	Connected bool       `json:"connected"`
	Since     time.Time  `json:"since,omitzero"`
	Error     string     `json:"error,omitempty"`
	Rate      float64    `json:"bytes_per_second"` // acknowledged
	Lag       int64      `json:"lag"`
	Files     []shipFile `json:"files"`
}

type shipFile struct {
	Path       string  `json:"path"`
	Generation string  `json:"generation"`
	State      string  `json:"state"` // closed, opening, proving, flowing, sealing, busy
	Size       int64   `json:"size"`
	Acked      int64   `json:"acknowledged"`
	Lag        int64   `json:"lag"`
	LagSeconds float64 `json:"lag_seconds"`
	Error      string  `json:"error,omitempty"`
}

// A lostReport is bytes that could not be sent.
type lostReport struct {
	Time       time.Time `json:"time"`
	Path       string    `json:"path"`
	Generation string    `json:"generation"`
	From       int64     `json:"from"`
	To         int64     `json:"to"`
	Reason     string    `json:"reason"`
}

// countShip adds what is sent to others.
func (r *processReport) countShip(s *shipping, links []ship.LinkStatus, now time.Time) {
	c := r.Counters
	var lag int64
	var oldest float64
	for _, l := range links {
		report := newShipReport(l, now)
		if !l.Up {
			r.problemf("check that `fairlead receive` runs there and can be reached; it is tried again and again",
				"%s: not connected: %s", l.To, errText(l.Err))
		}
		for _, f := range report.Files {
			c[fmt.Sprintf("ship_channels{state=%q}", f.State)]++
			lag, oldest = max(lag, f.Lag), max(oldest, f.LagSeconds)
		}
		for i, f := range report.Files {
			if f.Error != "" && i < maxListed {
				r.problemf("", "%s is not taken by %s: %s", f.Path, l.To, f.Error)
			}
		}
		r.Ship = append(r.Ship, report)
	}
	c["ship_lag_bytes"], c["ship_lag_seconds"] = lag, int64(oldest)
	st := s.Stats()
	c["ship_sent_bytes_total"], c["ship_acked_bytes_total"] = st.Sent, st.Acked
	c["ship_resumes_total"], c["ship_divergences_total"] = st.Resumes, st.Divergences
	list, bytes := s.Lost()
	for _, e := range list {
		r.Lost = append(r.Lost, lostReport{e.Time, e.Path, e.Gen.String(), e.From, e.To, e.Reason})
	}
	if bytes > 0 {
		r.problemf("`fairlead ship --status` lists the ranges", "%s were gone before they could be sent", bytesText(bytes))
	}
	c[`lost_bytes_total{room="ship",reason="gone"}`] = bytes
}

func newShipReport(l ship.LinkStatus, now time.Time) shipReport {
	r := shipReport{To: l.To, Connected: l.Up, Since: l.Since, Error: errText(l.Err), Rate: l.Rate, Files: []shipFile{}}
	for _, f := range l.Files {
		file := shipFile{Path: f.Path, Generation: f.Gen.String(), State: f.State, Size: f.Size, Acked: f.Acked, Lag: f.Lag(), Error: errText(f.Err)}
		if !f.Since.IsZero() {
			file.LagSeconds = now.Sub(f.Since).Seconds()
		}
		r.Lag += file.Lag
		r.Files = append(r.Files, file)
	}
	return r
}

// showStatus is ship --status.
func (c *shipCommand) showStatus(ctx context.Context, state string) error {
	asJSON, err := wantsJSON(c.output)
	if err != nil {
		return err
	}
	type process struct {
		Process string           `json:"process"`
		Ship    []shipReport     `json:"ship"`
		Lost    []lostReport     `json:"lost"`
		Plain   []plainOutReport `json:"ship_plain,omitempty"`
	}
	list := []process{}
	for _, a := range askAll[processReport](ctx, state, "/status") {
		if a.err == nil && len(a.value.Ship)+len(a.value.PlainOut) > 0 {
			list = append(list, process{a.from(), a.value.Ship, a.value.Lost, a.value.PlainOut})
		}
	}
	out := stdout(false)
	if asJSON {
		err = printJSON(out, list)
	} else {
		for _, p := range list {
			printShip(out, p.Process, p.Ship, p.Lost)
			printPlainOut(out, p.Process, p.Plain)
		}
	}
	if err = errors.Join(err, out.Close()); err == nil && len(list) == 0 {
		err = exitf(exitNotFound, "no fairlead of this user ships anything, nor does the service")
	}
	return err
}

func printShip(w io.Writer, process string, reports []shipReport, lost []lostReport) {
	for _, r := range reports {
		state := "connected"
		if !r.Connected {
			state = "NOT CONNECTED: " + r.Error
		}
		fmt.Fprintf(w, "%s to %s: %s, %s, %s behind, %s/s%s\n", process, r.To, state, count(int64(len(r.Files)), "generation"),
			bytesText(r.Lag), bytesText(int64(r.Rate)), etaText(r))
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, f := range r.Files {
			behind := "all acknowledged"
			if f.Lag > 0 {
				behind = fmt.Sprintf("%s behind for %s", bytesText(f.Lag), time.Duration(f.LagSeconds*float64(time.Second)).Round(time.Second))
			}
			fmt.Fprintf(table, "  %s\t%.8s\t%s\t%s\t%s\t%s\n", f.Path, f.Generation, f.State, bytesText(f.Size), behind, f.Error)
		}
		table.Flush()
	}
	for _, e := range lost {
		fmt.Fprintf(w, "LOST %s %s %.8s:%d-%d %s\n", e.Time.Format(time.RFC3339), e.Path, e.Generation, e.From, e.To, e.Reason)
	}
}

// etaText says when a receiver will have all, at the rate of now.
func etaText(r shipReport) string {
	if r.Lag == 0 || r.Rate < 1 {
		return ""
	}
	return ", " + (time.Duration(float64(r.Lag)/r.Rate) * time.Second).Round(time.Second).String() + " left"
}
