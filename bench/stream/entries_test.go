//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"fairlead/bench/measure"
	"fairlead/logfile"
	"fairlead/stream"
)

type counts struct{ lost, doubled, reordered, torn int64 }

// entryOf is an entry as Fairlead makes it of one of our lines.
func entryOf(seq int64) string {
	l := stream.Lines{Source: "flood.log", LogWisp: true}
	return string(l.Add(nil, logfile.Span{Gen: logfile.GenID{1}, Off: seq * measure.LineLen}, measure.AppendLine(nil, seq, seq*1000)))
}

// gap stands for the record of one among entries.
const gap = -1000

// entriesOf are the entries with these numbers; a negative one is cut in its middle.
func entriesOf(seqs ...int64) []string {
	var all []string
	for _, seq := range seqs {
		if seq == gap {
			all = append(all, `{"type":"gap","missing":{"flood.log":["1:64-128"]}}`+"\n")
			continue
		}
		if seq < 0 {
			all = append(all, entryOf(-seq)[:90]+"\n")
			continue
		}
		all = append(all, entryOf(seq))
	}
	return all
}

// overHTTP makes a response of entries: events, cut into chunks without regard to their ends.
func overHTTP(entries []string) string {
	body := "event: connected\nid: 1-0\ndata: {\"client_id\":\"7\"}\n\n: heartbeat\n\n"
	for i, entry := range entries {
		body += fmt.Sprintf("id: 1-%d\ndata: %s\n", i, entry)
	}
	out := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	for chunk := range slices.Chunk([]byte(body), 333) {
		out += fmt.Sprintf("%x\r\n%s\r\n", len(chunk), chunk)
	}
	return out
}

func TestEntryReader(t *testing.T) {
	tests := []struct {
		name string
		seqs []int64
		want counts
	}{
		{"nothing wrong", []int64{0, 1, 2, 3}, counts{}},
		{"marks do not count", []int64{markSeq, 0, markSeq, 1, 2, 3}, counts{}},
		{"one lost", []int64{0, 1, 3}, counts{lost: 1}},
		{"one lost, as a gap says", []int64{0, gap, 2, 3}, counts{lost: 1}},
		{"the last lost", []int64{0, 1, 2}, counts{lost: 1}},
		{"one doubled", []int64{0, 1, 1, 2, 3}, counts{doubled: 1}},
		{"two swapped", []int64{1, 0, 2, 3}, counts{reordered: 1}},
		{"one cut", []int64{0, -1, 2, 3}, counts{lost: 1, torn: 1}},
	}
	for _, tt := range tests {
		entries := entriesOf(tt.seqs...)
		for outlet, text := range map[string]string{"TCP": strings.Join(entries, ""), "SSE": overHTTP(entries)} {
			for _, size := range []int{len(text), 1, 7, 100, 1000} {
				r := entryReader{sse: outlet == "SSE"}
				for p := range slices.Chunk([]byte(text), size) {
					err := r.feed(p, func(seq, stamp int64) {
						if stamp != seq*1000 {
							t.Errorf("%s, %s: line %d has stamp %d, want %d", tt.name, outlet, seq, stamp, seq*1000)
						}
					})
					if err != nil {
						t.Fatalf("%s, %s in pieces of %d: %v", tt.name, outlet, size, err)
					}
				}
				if got := (counts{r.Lost(4), r.Doubled, r.Reordered, r.Torn}); got != tt.want {
					t.Errorf("%s, %s in pieces of %d: counts = %+v, want %+v", tt.name, outlet, size, got, tt.want)
				}
				if want := slices.Contains(tt.seqs, markSeq); r.marked != want {
					t.Errorf("%s, %s in pieces of %d: marked = %v, want %v", tt.name, outlet, size, r.marked, want)
				}
			}
		}
	}
}

func TestEntryReaderRefusals(t *testing.T) {
	for _, text := range []string{
		"HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n\r\n",
	} {
		r := entryReader{sse: true}
		if err := r.feed([]byte(text), nil); err == nil {
			t.Errorf("feed(%q) = nil, want an error", text)
		}
	}
}

func TestReferenceEntriesAreAsLongAsOurs(t *testing.T) {
	e := encoder{source: "flood.log", off: 7 * measure.LineLen}
	ours, theirs := entryOf(7), string(e.encode(measure.AppendLine(nil, 7, 7000)))
	if d := len(ours) - len(theirs); d < -12 || d > 12 {
		t.Errorf("the reference's entry has %d bytes less than ours, want about as many:\n%s%s", d, ours, theirs)
	}
}

func TestBulkReaderKnowsTheLastLine(t *testing.T) {
	text := strings.Join(entriesOf(0, 1, 2, 3), "")
	for _, size := range []int{len(text), 1, 7, 100, 600} {
		var r bulkReader
		var when []int64
		for p := range slices.Chunk([]byte(text), size) {
			if r.has(p, 3) {
				when = append(when, r.bytes)
			}
		}
		if want := []int64{int64(len(text))}; !slices.Equal(when, want) {
			t.Errorf("in pieces of %d: has the last line at %v, want %v", size, when, want)
		}
	}
}
