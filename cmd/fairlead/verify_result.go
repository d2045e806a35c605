package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"fairlead/replica"
	"fairlead/ship"
)

// A verifyResult is what verify -o json prints for each process that was asked; it is
// documented as stable.
type verifyResult struct {
	Process string         `json:"process,omitempty"` // empty: none runs, this one has looked
	To      string         `json:"to,omitempty"`      // the receiver whose copies were compared
	Store   string         `json:"store,omitempty"`   // or the store
	Full    bool           `json:"full"`
	Files   []verifiedFile `json:"files"`
	Done    *verifyTotals  `json:"done,omitempty"` // missing: it ended early

	bar *verifyBar
}

// take takes a line of the answer in.
func (r *verifyResult) take(line verifyLine) error {
	switch {
	case line.File != nil:
		r.Files = append(r.Files, *line.File)
	case line.Progress != nil:
		r.bar.at(r.subject(), *line.Progress)
	case line.Done != nil:
		r.Done = line.Done
	}
	return nil
}

func (r *verifyResult) subject() string { return cmp.Or(r.To, r.Store) }

// compared is how many files were. Of stored ones only some are listed.
func (r *verifyResult) compared() (n int) {
	if r.To == "" && r.Done != nil {
		n = r.Done.Files
	}
	for _, f := range r.Files {
		switch {
		case r.To == "" && f.Outcome == string(ship.Pruned):
			n--
		case r.To != "" && (f.Outcome == string(ship.Equal) || f.Outcome == string(ship.Differs)):
			n++
		}
	}
	return n
}

// print shows the files that are equal last, and not all of them.
func (r *verifyResult) print(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	equal := 0
	for _, f := range r.Files {
		if f.Outcome != string(ship.Equal) {
			f.row(table, r)
		}
	}
	for _, f := range r.Files {
		if f.Outcome != string(ship.Equal) {
			continue
		}
		if equal++; equal <= maxListed {
			f.row(table, r)
		}
	}
	if equal > maxListed {
		fmt.Fprintf(table, "and %d more that are equal: -o json lists them\n", equal-maxListed)
	}
	table.Flush()
	for _, f := range r.Files {
		f.printMismatches(w, r)
	}
	fmt.Fprintln(w, r.summary())
}

func (r *verifyResult) summary() string {
	with := "at " + r.To
	if r.To == "" {
		with = "in " + r.Store
	}
	if r.Done == nil {
		return "it ended early, " + with
	}
	var mismatches int64
	for _, f := range r.Files {
		mismatches += f.count()
	}
	how := "a sample; --full compares every byte"
	if r.Full {
		how = "every byte"
	}
	result := "no difference"
	if mismatches > 0 {
		result = fmt.Sprintf("%d MiB DIFFER", mismatches)
	}
	return fmt.Sprintf("%s compared %s: %s, %s (%s): %s", count(int64(r.compared()), "generation"), with,
		leavesText(r.Done.Leaves), bytesText(r.Done.Bytes), how, result)
}

// leavesText is a number of MiB, with the ends of files.
func leavesText(n int64) string { return count(n, "block") + " of up to 1 MiB" }

func (f verifiedFile) row(w io.Writer, r *verifyResult) {
	part := "-"
	if of := (f.There + replica.LeafSize - 1) / replica.LeafSize; f.Leaves > 0 {
		part = fmt.Sprintf("%d of %s", f.Leaves, count(of, "block"))
	}
	line := fmt.Sprintf("%s\t%.8s\t%s\t%s", f.Path, f.Generation, f.Outcome, part)
	if note := f.note(r); note != "" {
		line += "\t" + note
	}
	fmt.Fprintln(w, line)
}

// notes say what an outcome means.
var notes = map[ship.Outcome]string{
	ship.Pruned:   "its bytes were removed, to keep within keep and keep_bytes: only the record is there",
	ship.Diverged: "it was known to differ: that copy stays, and another was begun",
	ship.Gone:     "not comparable: it cannot be read here any more",
}

func (f verifiedFile) note(r *verifyResult) string {
	var said []string
	if note := notes[ship.Outcome(f.Outcome)]; note != "" {
		said = append(said, note)
	}
	if f.Outcome == string(ship.Absent) {
		said = append(said, r.To+" has nothing of it"+map[bool]string{true: " by this id; a running ship may know another"}[r.Process == ""])
	}
	if f.Moving > 0 {
		said = append(said, count(f.Moving, "block")+" changed at every look, and were not compared")
	}
	if f.Outcome == string(ship.Equal) && f.Size > f.There {
		said = append(said, bytesText(f.Size-f.There)+" not acknowledged yet")
	}
	if f.Error != "" {
		said = append(said, f.Error)
	}
	return strings.Join(said, "; ")
}

// printMismatches names each MiB on both sides.
func (f verifiedFile) printMismatches(w io.Writer, r *verifyResult) {
	there := fmt.Sprintf("%s:%.8s", r.To, f.Copy)
	if r.To == "" {
		there = f.Stored
	}
	for _, m := range f.Mismatches {
		switch {
		case m.MiB < 0:
			fmt.Fprintf(w, "DIFFERS %s: %s: %s\n", f.Path, there, m.Why)
		default:
			fmt.Fprintf(w, "DIFFERS %s MiB %d (from byte %d), %s MiB %[2]d: %[5]s\n", f.Path, m.MiB, m.MiB*replica.LeafSize, there, m.Why)
		}
	}
	if f.More > 0 {
		fmt.Fprintf(w, "DIFFERS %s: and %d MiB more\n", f.Path, f.More)
	}
}

// mibText lists the first MiB that differ.
func mibText(f verifiedFile) string {
	var list []string
	for i, m := range f.Mismatches {
		if i == 5 {
			list = append(list, fmt.Sprintf("and %d more", f.count()-5))
			break
		}
		if m.MiB < 0 {
			list = append(list, m.Why)
			continue
		}
		list = append(list, fmt.Sprintf("MiB %d (%s)", m.MiB, m.Why))
	}
	return strings.Join(list, ", ")
}

// A verifyBar shows on a terminal how far it is.
type verifyBar struct {
	shown bool
	text  string
}

func newVerifyBar(shown bool) *verifyBar { return &verifyBar{shown: shown} }

func (b *verifyBar) at(what string, p verifyTotals) {
	if !b.shown {
		return
	}
	of := ""
	if p.Of > 0 {
		of = fmt.Sprintf(" of %d", p.Of)
	}
	b.text = fmt.Sprintf("%s: %d%s compared, %s", what, p.Files, of, bytesText(p.Bytes))
	fmt.Fprint(os.Stderr, "\r\x1b[K", printable(b.text))
}

// end takes it away.
func (b *verifyBar) end() {
	if b.text != "" {
		fmt.Fprint(os.Stderr, "\r\x1b[K")
	}
}
