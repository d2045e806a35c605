package stream

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fairlead/logfile"
	"fairlead/trust"
)

// DefaultMaxReads is what an Entries' MaxReads means when it is zero.
const DefaultMaxReads = 16

const (
	// smallAnswer is how large an answer may be for others not to wait until a
	// client has taken it.
	smallAnswer = 256 << 10
	// slowest is how many bytes per second a client must take.
	slowest = 128 << 10
)

// Entries answers GET /entries/NAME: the entries of one log by their places in its
// file. Who may ask is for the caller to decide. Its fields are set before use.
type Entries struct {
	Files    *logfile.Set
	Stream   *Stream      // the entries are made as its are, and its Filter holds for them
	MaxReads int          // files that are read at a time; further clients wait
	Log      *slog.Logger // nil discards

	turns turns
}

func (x *Entries) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	err := checkEntries(r)
	if err == nil {
		err = x.serve(w, r)
	}
	switch {
	case err == nil:
	case r.Context().Err() != nil:
		http.Error(w, "we end", http.StatusServiceUnavailable) // or the client has gone
	default:
		refuse(w, err)
	}
}

// checkEntries refuses what no client of ours sends.
func checkEntries(r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return refusal{status: http.StatusMethodNotAllowed, reason: r.Method + " is not for entries: use GET or HEAD"}
	}
	if err := trust.OtherSite(r, ""); err != nil {
		return refusal{status: http.StatusForbidden, reason: err.Error()}
	}
	return nil
}

func (x *Entries) serve(w http.ResponseWriter, r *http.Request) error {
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/entries"), "/")
	if name == "" {
		return refusal{status: http.StatusNotFound, reason: "entries of which log? ask for /entries/NAME; GET /logs lists them all"}
	}
	q, err := parseEntriesQuery(r.URL.RawQuery)
	if err != nil {
		return refusal{status: http.StatusBadRequest, reason: err.Error()}
	}
	leave, err := x.turns.take(r.Context(), cmp.Or(x.MaxReads, DefaultMaxReads))
	if err != nil {
		return err
	}
	defer leave()
	log, err := x.Files.Lookup("/" + name) // a path before a suffix
	if err != nil {
		return err
	}
	st := log.Stat()
	g, err := q.generation(log, st)
	if err != nil {
		return err
	}
	got := newWalk(x.Stream, log, g, q)
	if err := got.walk(r.Context(), q, q.From.Resolve(logfile.Stat{Current: g}).Off); err != nil {
		if errors.Is(err, logfile.ErrEnded) {
			err = gone(log, g.ID, lastSeen(log.Stat(), g))
		}
		return err
	}
	x.answer(w, r, got, leave)
	return nil
}

// walk gathers what is asked for. from is where that begins, if by from.
func (w *walk) walk(ctx context.Context, q entriesQuery, from int64) (err error) {
	if q.begin == "before" {
		return w.back(ctx, q.at)
	}
	if q.begin == "near" {
		from = q.at
	}
	if from > w.size {
		return refusal{status: http.StatusRequestedRangeNotSatisfiable, gen: w.gen, size: w.size, reason: fmt.Sprintf(
			"byte %d is behind the end of generation %s, which has %d bytes", from, w.gen, w.size)}
	}
	if q.begin == "near" {
		w.skip = min(from, w.size-1)
		if from, err = w.near(ctx, from); err != nil {
			return err
		}
	}
	return w.forward(ctx, from, q.to)
}

// answer sends what was gathered. A large answer keeps its place among those that
// read until the client has it, so that there are few of them in memory.
func (x *Entries) answer(w http.ResponseWriter, r *http.Request, got *walk, leave func()) {
	n := 0
	for _, e := range got.got.all {
		n += len(e.text)
	}
	if n <= smallAnswer {
		leave()
	}
	h := w.Header()
	h.Set("Content-Type", "application/x-ndjson")
	h.Set("Content-Length", strconv.Itoa(n))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("ETag", `"`+got.gen.String()+`"`)
	h.Set("Fairlead-Size", strconv.FormatInt(got.size, 10))
	h.Set("Fairlead-Range", fmt.Sprintf("%d-%d", got.from, got.to))
	rc := http.NewResponseController(w)
	rc.SetWriteDeadline(time.Now().Add(writeDeadline + time.Duration(n)*time.Second/slowest))
	defer rc.SetWriteDeadline(time.Time{})
	if r.Method == http.MethodHead {
		return
	}
	for _, e := range got.got.all {
		if _, err := w.Write(e.text); err != nil {
			x.log().Debug("client left", "err", err, "peer", r.RemoteAddr)
			return
		}
	}
	rc.Flush() // within the deadline
}

func (x *Entries) log() *slog.Logger {
	if x.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return x.Log
}

// A refusal is an answer without entries.
type refusal struct {
	status   int
	reason   string // and the cure
	modified time.Time
	gen      logfile.GenID
	size     int64
}

func (e refusal) Error() string { return e.reason }

// gone refuses a generation of which g is what was known last; nil: nothing.
func gone(log *logfile.Log, id logfile.GenID, g *logfile.Gen) error {
	e := refusal{status: http.StatusGone, reason: fmt.Sprintf(
		"generation %s of %s can no longer be read; GET /logs names those that can", id, log.Name())}
	if g != nil {
		e.modified = g.Modified
	}
	return e
}

// lastSeen is what is known of a generation now, or was before.
func lastSeen(st logfile.Stat, before *logfile.Gen) *logfile.Gen {
	if g := st.Find(before.ID); g != nil && !g.Modified.IsZero() {
		return g
	}
	return before
}

// refuse answers with an error: the reason and the cure, for people, in the words
// of /logs.
func refuse(w http.ResponseWriter, err error) {
	var e refusal
	var ambiguous *logfile.AmbiguousError
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	switch {
	case errors.As(err, &e):
	case errors.As(err, &ambiguous):
		refuseAmbiguous(w, ambiguous)
		return
	case errors.Is(err, logfile.ErrNotFound):
		e = refusal{status: http.StatusNotFound, reason: err.Error() + "; GET /logs lists them all"}
	default: // the file cannot be read at the moment
		e = refusal{status: http.StatusServiceUnavailable, reason: err.Error() + "; try again later, or ask fairlead why"}
	}
	switch {
	case e.status == http.StatusMethodNotAllowed:
		h.Set("Allow", "GET, HEAD")
	case e.status == http.StatusRequestedRangeNotSatisfiable:
		h.Set("ETag", `"`+e.gen.String()+`"`)
		h.Set("Content-Range", fmt.Sprintf("bytes */%d", e.size))
	case !e.modified.IsZero():
		h.Set("Last-Modified", e.modified.UTC().Format(http.TimeFormat))
	}
	http.Error(w, e.reason, e.status)
}

func refuseAmbiguous(w http.ResponseWriter, e *logfile.AmbiguousError) {
	body, err := json.MarshalIndent(struct {
		Error      string   `json:"error"`
		Candidates []string `json:"candidates"`
	}{"more than one log has that name: ask for one of the candidates", e.Candidates}, "", "  ")
	if err != nil {
		panic("bug: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusConflict)
	w.Write(append(body, '\n'))
}
