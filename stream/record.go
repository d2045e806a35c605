package stream

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"fairlead/logfile"
)

// What is in the spool beside entries are records. They begin with their type.
var (
	recordStart = []byte(`{"type":`)
	gapStart    = []byte(`{"type":"gap"`)
	rotateStart = []byte(`{"type":"rotate"`)
)

func isRecord(line []byte) bool { return bytes.HasPrefix(line, recordStart) }

// A gapRecord names bytes of logs of which there are no entries to be had.
type gapRecord struct {
	Type    string              `json:"type"`
	Missing map[string][]string `json:"missing"` // GEN:FROM-TO by source
}

// appendGap appends a gap as a line.
func appendGap(out []byte, missing map[string][]string) []byte {
	if missing == nil {
		missing = map[string][]string{}
	}
	return appendJSON(out, gapRecord{"gap", missing})
}

// AppendLost appends as a gap what of a source's generation was gone before it
// could be read.
func AppendLost(out []byte, source string, e *logfile.Ended) []byte {
	return appendGap(out, map[string][]string{source: {rangeText(e.Gen, e.Lost.From, e.Lost.To)}})
}

// A rotateRecord tells that a generation ended, or that one began.
type rotateRecord struct {
	Type   string `json:"type"`
	Source string `json:"source"`
	Old    string `json:"old,omitempty"` // GEN:SIZE
	New    string `json:"new,omitempty"` // GEN:OFFSET where it goes on, as soon as that is known
	Reason string `json:"reason,omitempty"`
}

// rotation words are those of LogWisp; what it does not tell is not told.
var rotationWords = map[logfile.Reason]string{
	logfile.Rotated:   "inode change",
	logfile.Truncated: "size decrease",
}

// appendRotate appends the end e of a generation, if it is not nil, and what it
// goes on with, if that is known.
func (s *Stream) appendRotate(out []byte, r *source, e *logfile.Ended, next logfile.Pos) []byte {
	if s.opt.LogWisp {
		if e == nil || rotationWords[e.Reason] == "" {
			return out
		}
		return appendRotationEntry(out, r.name, r.turned, e)
	}
	rec := rotateRecord{Type: "rotate", Source: r.name}
	if e != nil {
		rec.Old, rec.Reason = logfile.Pos{Gen: e.Gen, Off: e.At}.String(), e.Reason.String()
	}
	if !next.Gen.IsZero() {
		rec.New = next.String()
	}
	return appendJSON(out, rec)
}

// appendRotationEntry appends what LogWisp tells of the n-th rotation of a log.
// Its place is the end of the old generation.
func appendRotationEntry(out []byte, source string, n int, e *logfile.Ended) []byte {
	return appendJSON(out, struct {
		Time    time.Time `json:"time"`
		Source  string    `json:"source"`
		Level   string    `json:"level"`
		Message string    `json:"message"`
		At      string    `json:"at"`
		Len     int       `json:"len"`
	}{time.Now(), source, "INFO", "Log rotation detected (#" + strconv.Itoa(n) + "): " + rotationWords[e.Reason],
		logfile.Pos{Gen: e.Gen, Off: e.At}.String(), 0})
}

// appendJSON appends v as a line. No value that comes here can fail to encode.
func appendJSON(out []byte, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("bug: " + err.Error())
	}
	return append(append(out, b...), '\n')
}
