package ship

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"fairlead/logfile"
	"fairlead/replica"
)

// A Candidate is a generation of which a receiver may have a copy.
type Candidate struct {
	Path  string
	Gen   logfile.GenID // what it is here
	As    logfile.GenID // what the receiver knows it by
	Acked int64         // how much of it the receiver said it has
	file  replica.File
}

// Candidates returns what the receiver called to is sent, or has, sorted by path, and
// how to reach it; ok is false if nothing is sent there.
func (s *Sender) Candidates(to string) (d Destination, list []Candidate, ok bool) {
	for i, group := range s.links {
		for _, l := range group {
			if l.to.Name == to {
				return l.to, s.candidates(i, l), true
			}
		}
	}
	return d, nil, false
}

func (s *Sender) candidates(group int, l *link) (list []Candidate) {
	for _, f := range l.source.Files() {
		list = append(list, newCandidate(f.File, f.Gen, f.Acked))
	}
	s.mu.Lock()
	var sealed []*sending
	for _, e := range s.gens {
		if group < len(e.to) && e.to[group].link == l && e.to[group].has != nil {
			sealed = append(sealed, e)
		}
	}
	s.mu.Unlock()
	for _, e := range sealed {
		list = append(list, newCandidate(e, e.to[group].has.gen, e.to[group].has.n))
	}
	return inOrder(list)
}

func newCandidate(f replica.File, as logfile.GenID, acked int64) Candidate {
	return Candidate{Path: "/" + strings.Join(f.Stat().Path, "/"), Gen: f.Gen(), As: as, Acked: acked, file: f}
}

func inOrder(list []Candidate) []Candidate {
	slices.SortStableFunc(list, func(a, b Candidate) int { return cmp.Compare(a.Path, b.Path) })
	return list
}

// Known returns all generations of a set's logs, sorted by path, for when no Sender
// sends them: a receiver may know some by other ids.
func Known(set *logfile.Set) (list []Candidate) {
	for _, l := range set.Logs() {
		st := l.Stat()
		gens := st.Old
		if st.Current != nil {
			gens = append(slices.Clone(gens), st.Current)
		}
		for _, g := range gens {
			list = append(list, newCandidate(&generation{id: g.ID, logs: []*logfile.Log{l}}, g.ID, 0))
		}
	}
	return inOrder(list)
}

// An Outcome is what came of comparing a candidate with its copy.
type Outcome string

// The outcomes.
const (
	Equal      Outcome = "equal"
	Differs    Outcome = "differs"
	Absent     Outcome = "absent"     // the receiver has nothing of it by this id
	Pruned     Outcome = "pruned"     // the receiver removed its bytes, to keep within a limit
	Diverged   Outcome = "diverged"   // the copy was known to be another: it stays, and a new one was begun
	Gone       Outcome = "gone"       // it cannot be read here any more
	Unreadable Outcome = "unreadable" // it cannot be read here now
)

// A Verified is a candidate that was looked at.
type Verified struct {
	Candidate
	Outcome Outcome
	Size    int64 // here
	replica.Comparison
}

// LessThanAcked is the reason of a [replica.Difference] beside those of replica.
const LessThanAcked = "the receiver has less than it acknowledged"

// A Verifier compares files with what a receiver has of them.
type Verifier struct {
	To       Destination
	Name     string // what we call ourselves
	Software string
	Sample   replica.Sample
	Progress func(n int64) // told how many bytes were read; may be nil
}

// Run yields what came of each candidate. An error, which ends it, is that the
// receiver cannot be asked, or of ctx.
func (v *Verifier) Run(ctx context.Context, list []Candidate) iter.Seq2[Verified, error] {
	return func(yield func(Verified, error) bool) {
		c, err := v.connect(ctx)
		if err != nil {
			yield(Verified{}, err)
			return
		}
		defer c.Close()
		for _, candidate := range list {
			done, err := v.compare(ctx, c, candidate)
			if err = cmp.Or(ctx.Err(), err); !yield(done, err) || err != nil {
				return
			}
		}
	}
}

func (v *Verifier) connect(ctx context.Context) (*replica.Checker, error) {
	dialing, cancel := context.WithTimeout(ctx, dialFor)
	defer cancel()
	conn, err := v.To.Dial(dialing)
	if err != nil {
		return nil, err
	}
	return replica.NewChecker(ctx, conn, v.Name, v.Software)
}

func (v *Verifier) compare(ctx context.Context, c *replica.Checker, candidate Candidate) (done Verified, err error) {
	done.Candidate = candidate
	st := candidate.file.Stat()
	if done.Size = st.Size; !st.Readable {
		done.Outcome = Gone
		return done, nil
	}
	done.Comparison, err = c.Compare(ctx, candidate.file, candidate.As, v.Sample, v.Progress)
	if err != nil {
		return done, fmt.Errorf("compare %s: %w", candidate.Path, err)
	}
	done.Size = candidate.file.Stat().Size
	if done.State <= replica.Sealed && done.N < candidate.Acked {
		done.Differs = append(done.Differs, replica.Difference{Leaf: done.N / replica.LeafSize, Why: LessThanAcked})
	}
	done.Outcome = done.outcome()
	return done, nil
}

func (v *Verified) outcome() Outcome {
	switch {
	case len(v.Differs) > 0:
		return Differs
	case errors.Is(v.Err, logfile.ErrEnded):
		return Gone
	case v.Err != nil:
		return Unreadable
	case v.State == replica.Pruned:
		return Pruned
	case v.State == replica.Diverged:
		return Diverged
	case v.None || v.N == 0 && v.Size > 0:
		return Absent
	}
	return Equal
}
