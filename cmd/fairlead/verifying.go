package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"fairlead/replica"
	"fairlead/ship"
	"fairlead/ship/store"
)

// A verifyQuestion is what is to be compared.
type verifyQuestion struct {
	to   string   // the receiver whose copies; empty: those that are stored here
	of   []string // PATH, or below it; of stored copies SENDER or SENDER:PATH; none: all
	full bool
}

func (q verifyQuestion) path() string {
	v := url.Values{"of": q.of}
	if q.to != "" {
		v.Set("to", q.to)
	}
	if q.full {
		v.Set("full", "true")
	}
	return "/verify?" + v.Encode()
}

func verifyQuestionOf(v url.Values) verifyQuestion {
	return verifyQuestion{v.Get("to"), v["of"], v.Get("full") == "true"}
}

// A verifyLine is one line of the answer to GET /verify: a file, how far it is, or the
// last one. Its JSON is documented as stable.
type verifyLine struct {
	File     *verifiedFile `json:"file,omitempty"`
	Progress *verifyTotals `json:"progress,omitempty"`
	Done     *verifyTotals `json:"done,omitempty"`  // the last line
	Error    string        `json:"error,omitempty"` // or this: it ended early
	Code     int           `json:"code,omitempty"`  // with this exit code
}

// verifyTotals are what was looked at.
type verifyTotals struct {
	Files  int   `json:"files"`
	Of     int   `json:"of,omitempty"` // if that is known
	Leaves int64 `json:"leaves"`       // MiB, and what is behind the last of a file
	Bytes  int64 `json:"bytes"`
}

// A verifiedFile is a generation, or a copy, that was looked at. Of copies that are
// stored here only those are listed that differ, or were pruned.
type verifiedFile struct {
	Path       string     `json:"path"`                 // or SENDER:PATH
	Stored     string     `json:"stored,omitempty"`     // the file of a copy that is stored here
	Generation string     `json:"generation"`           // as it is known here
	Copy       string     `json:"copy,omitempty"`       // and at the receiver
	Outcome    string     `json:"outcome"`              // equal, differs, absent, pruned, diverged, gone, unreadable
	Size       int64      `json:"size"`                 // at the source, or of the stored copy
	There      int64      `json:"there"`                // durable at the receiver
	Leaves     int64      `json:"leaves"`               // compared
	Bytes      int64      `json:"bytes"`                // in them
	Moving     int64      `json:"moving,omitempty"`     // leaves that changed at every look, and were not compared
	Mismatches []mismatch `json:"mismatches,omitempty"` // at most maxMismatches
	More       int        `json:"more_mismatches,omitempty"`
	Error      string     `json:"error,omitempty"`
}

// A mismatch is a MiB, from 0 on, that is not what it should be, on both sides.
type mismatch struct {
	MiB int64  `json:"mib"` // -1: the file as a whole
	Why string `json:"why"`
}

// maxMismatches is how many of one file are listed.
const maxMismatches = 1000

func (f *verifiedFile) differs(leaf int64, why string) {
	f.Outcome = string(ship.Differs)
	if len(f.Mismatches) == maxMismatches {
		f.More++
		return
	}
	f.Mismatches = append(f.Mismatches, mismatch{leaf, why})
}

// count is how many of its MiB are not what they should be.
func (f *verifiedFile) count() int64 { return int64(len(f.Mismatches) + f.More) }

// chosen are the candidates at, or below, one of the paths.
func chosen(list []ship.Candidate, paths []string) (some []ship.Candidate) {
	for _, c := range list {
		for _, path := range paths {
			if c.Path == path || strings.HasPrefix(c.Path, strings.TrimSuffix(path, "/")+"/") {
				some = append(some, c)
				break
			}
		}
	}
	if len(paths) == 0 {
		return list
	}
	return some
}

// progressEvery is how often one is told how far a verification is.
const progressEvery = 200 * time.Millisecond

// verifyAt compares files with their copies at a receiver.
func verifyAt(ctx context.Context, to ship.Destination, list []ship.Candidate, full bool, tell func(verifyLine) error) error {
	sums := verifyTotals{Of: len(list)}
	var failed error
	var told time.Time
	v := ship.Verifier{To: to, Name: "verify", Software: "fairlead " + buildVersion().Version, Sample: replica.Sample{Full: full, Seed: rand.Uint64()}}
	v.Progress = func(n int64) {
		sums.Bytes += n
		if now := time.Now(); failed == nil && now.Sub(told) >= progressEvery {
			told = now
			failed = tell(verifyLine{Progress: new(sums)})
		}
	}
	for done, err := range v.Run(ctx, list) {
		if err = errors.Join(failed, err); err != nil {
			return err
		}
		f := newVerifiedFile(done)
		sums.Files++
		sums.Leaves += f.Leaves
		if err := tell(verifyLine{File: f}); err != nil {
			return err
		}
	}
	return tell(verifyLine{Done: &sums})
}

func newVerifiedFile(v ship.Verified) *verifiedFile {
	f := &verifiedFile{
		Path: v.Path, Generation: v.Gen.String(), Copy: v.As.String(), Outcome: string(v.Outcome),
		Size: v.Size, There: v.N, Leaves: v.Leaves, Bytes: v.Bytes, Moving: v.Moving, Error: errText(v.Err),
	}
	for _, d := range v.Differs {
		f.differs(d.Leaf, d.Why)
	}
	return f
}

// verifyStore compares what is stored here with what was acknowledged.
func verifyStore(ctx context.Context, s *store.Store, q verifyQuestion, tell func(verifyLine) error) error {
	var sums verifyTotals
	for _, sel := range q.stored() {
		if err := verifySel(ctx, s, sel, &sums, tell); err != nil {
			return err
		}
	}
	return tell(verifyLine{Done: &sums})
}

// stored is the question as a store takes it.
func (q verifyQuestion) stored() (list []store.Sel) {
	for _, of := range q.of {
		sender, path, _ := strings.Cut(of, ":")
		sel := store.Sel{Sender: sender, Full: q.full, Seed: rand.Uint64()}
		if path = strings.Trim(path, "/"); path != "" {
			sel.Path = strings.Split(path, "/")
		}
		list = append(list, sel)
	}
	if len(list) == 0 {
		list = []store.Sel{{Full: q.full, Seed: rand.Uint64()}}
	}
	return list
}

func verifySel(ctx context.Context, s *store.Store, sel store.Sel, sums *verifyTotals, tell func(verifyLine) error) error {
	before := *sums
	var failed error
	var told time.Time
	progress := func(p store.Progress) {
		*sums = verifyTotals{Files: before.Files + p.Copies, Leaves: before.Leaves + p.Leaves, Bytes: before.Bytes + p.Bytes}
		if now := time.Now(); failed == nil && now.Sub(told) >= progressEvery {
			told = now
			failed = tell(verifyLine{Progress: new(*sums)})
		}
	}
	for rec := range s.All {
		if f := newStoredFile(rec, "", ship.Pruned); rec.State == replica.Pruned && sel.Has(rec) {
			if err := tell(verifyLine{File: f}); err != nil {
				return err
			}
		}
	}
	var last *verifiedFile // the faults of one copy come one after the other
	for fault, err := range s.Verify(ctx, sel, progress) {
		if err = errors.Join(failed, err); err != nil {
			return err
		}
		if last == nil || last.Generation != fault.Rec.Gen.String() || last.Path != sourceOf(fault.Rec) {
			if err := tellFile(last, tell); err != nil {
				return err
			}
			last = newStoredFile(fault.Rec, fault.File, ship.Differs)
		}
		last.differs(fault.Leaf, fault.Why)
	}
	return tellFile(last, tell)
}

func newStoredFile(rec replica.Record, file string, outcome ship.Outcome) *verifiedFile {
	return &verifiedFile{Path: sourceOf(rec), Stored: file, Generation: rec.Gen.String(), Outcome: string(outcome), Size: rec.N, There: rec.N}
}

func tellFile(f *verifiedFile, tell func(verifyLine) error) error {
	if f == nil {
		return nil
	}
	return tell(verifyLine{File: f})
}

// verify answers GET /verify: JSON lines, as they come. Nothing is changed by it; what
// differs is a problem of this process from then on.
func (l *local) verify(w http.ResponseWriter, r *http.Request) {
	q := verifyQuestionOf(r.URL.Query())
	run, refused := l.verification(q)
	if refused != "" {
		http.Error(w, refused, http.StatusNotFound)
		return
	}
	if !l.verifying.TryLock() {
		http.Error(w, "another verify is at work in this process: wait for it", http.StatusConflict)
		return
	}
	defer l.verifying.Unlock()
	began := time.Now()
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, rc := json.NewEncoder(w), http.NewResponseController(w)
	write := func(line verifyLine) error {
		rc.SetWriteDeadline(time.Now().Add(askLimit * 10))
		return errors.Join(out.Encode(line), rc.Flush())
	}
	err := run(r.Context(), func(line verifyLine) error {
		switch {
		case line.File != nil:
			l.found.take(q, *line.File)
		case line.Done != nil:
			l.found.end(q, began)
		}
		return write(line)
	})
	if err != nil {
		write(verifyLine{Error: err.Error(), Code: verifyCode(q)}) // an error here is a client that left
	}
}

// verifyCode is the exit code if a verification cannot go on.
func verifyCode(q verifyQuestion) int {
	if q.to != "" {
		return exitUnreachable
	}
	return exitFailed
}

// verification is what answers a question here, or why nothing does.
func (l *local) verification(q verifyQuestion) (run func(context.Context, func(verifyLine) error) error, refused string) {
	if q.to == "" {
		if l.receive == nil {
			return nil, "this process stores no copies"
		}
		return func(ctx context.Context, tell func(verifyLine) error) error {
			return verifyStore(ctx, l.receive.store, q, tell)
		}, ""
	}
	if l.ship == nil {
		return nil, "this process ships nothing"
	}
	to, list, ok := l.ship.Candidates(q.to)
	if !ok {
		return nil, fmt.Sprintf("this process ships nothing to %s", q.to)
	}
	return func(ctx context.Context, tell func(verifyLine) error) error {
		return verifyAt(ctx, to, chosen(list, q.of), q.full, tell)
	}, ""
}
