package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"fairlead/replica"
)

// A receiveReport is how a store stands; its JSON is documented as stable.
type receiveReport struct {
	Store   string         `json:"store"`
	Copies  map[string]int `json:"copies"` // by state: open, sealed, diverged, pruned
	Bytes   int64          `json:"bytes"`
	Senders int64          `json:"senders"` // that are connected
	Commits commitsReport  `json:"commits"`
}

// A commitsReport is how long it took to make durable what had come.
type commitsReport struct {
	Count   int64   `json:"count"`
	Seconds float64 `json:"seconds"` // in all
	Times   []int64 `json:"times"`   // how many took up to each of replica.CommitBounds; the last: more
}

// countReceive adds what is taken from others.
func (r *processReport) countReceive(room *receiving) {
	st, rep := room.store.Stats(), room.receiver.Stats()
	report := &receiveReport{Store: room.dir, Copies: map[string]int{}, Bytes: st.Bytes, Senders: rep.Connections}
	report.Commits = commitsReport{rep.Commits, rep.CommitSeconds, rep.CommitTimes[:]}
	for state, n := range st.Copies {
		report.Copies[state.String()] = n
	}
	r.Receive = report
	c := r.Counters
	for state := replica.Open; state <= replica.Pruned; state++ {
		c[fmt.Sprintf("receive_copies{state=%q}", state)] = int64(st.Copies[state])
	}
	c["receive_bytes"], c["receive_senders"] = st.Bytes, rep.Connections
	c["receive_written_bytes_total"], c["receive_late_frames_total"] = rep.Written, rep.Late
	c["receive_busy_total"], c["receive_fenced_total"] = rep.Busy, rep.Fenced
	c["receive_pruned_bytes_total"], c["receive_damaged_total"] = st.PrunedBytes, st.Damaged
	for _, p := range room.store.Problems() {
		what := p.What
		if p.File != "" {
			what = p.File + ": " + what
		}
		r.problemf(p.Cure, "%s", what)
	}
}

// showStatus is receive --status.
func (r *receiveCommand) showStatus(ctx context.Context, state string) error {
	asJSON, err := wantsJSON(r.output)
	if err != nil {
		return err
	}
	type process struct {
		Process string         `json:"process"`
		Receive *receiveReport `json:"receive,omitempty"`
		Plain   *plainInReport `json:"receive_plain,omitempty"`
	}
	list := []process{}
	for _, a := range askAll[processReport](ctx, state, "/status") {
		if a.err == nil && (a.value.Receive != nil || a.value.PlainIn != nil) {
			list = append(list, process{a.from(), a.value.Receive, a.value.PlainIn})
		}
	}
	out := stdout(false)
	if asJSON {
		err = printJSON(out, list)
	} else {
		for _, p := range list {
			p.Receive.print(out, p.Process)
			p.Plain.print(out, p.Process)
		}
	}
	if err = errors.Join(err, out.Close()); err == nil && len(list) == 0 {
		err = exitf(exitNotFound, "no fairlead of this user receives anything, nor does the service")
	}
	return err
}

func (r *receiveReport) print(w io.Writer, process string) {
	if r == nil {
		return
	}
	fmt.Fprintf(w, "%s in %s: %s, %d copies open, %d sealed, %d diverged, %d pruned, %s\n", process, r.Store,
		count(r.Senders, "sender"), r.Copies["open"], r.Copies["sealed"], r.Copies["diverged"], r.Copies["pruned"], bytesText(r.Bytes))
}

func (r *plainInReport) print(w io.Writer, process string) {
	if r == nil {
		return
	}
	var refused int64
	for _, n := range r.Refused {
		refused += n
	}
	fmt.Fprintf(w, "%s in the clear: %s, %s, %s since the start, %s turned away\n", process,
		count(r.Senders, "connection"), count(r.Files, "file"), bytesText(r.Written), count(refused, "connection"))
}
