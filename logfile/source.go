package logfile

import (
	"context"
	"iter"
	"time"
)

// A Source is a log wherever it lives: a [Log] of this machine, a [Writer] of
// this process, or a file of another machine. Its conformance suite is in
// logfile/logfiletest.
type Source interface {
	// Name returns the absolute path, or NODE:PATH for another machine's.
	Name() string

	// Stat returns what is known now. It is immutable and may be kept.
	Stat() Stat

	// ReadAt reads bytes of one generation. It returns at least one byte, or
	// io.EOF if there is none yet at pos, or an *Ended if there never will be,
	// or another error (the file cannot be read now; try again later). The
	// bytes were checked, after they were read, to belong to that generation.
	ReadAt(ctx context.Context, p []byte, pos Pos) (n int, err error)

	// Wait returns nil once the Stat's Seq is no longer seq.
	Wait(ctx context.Context, seq uint64) error
}

// A Stat is what is known of a log at one moment. Neither it nor what it points
// to ever changes.
type Stat struct {
	Seq     uint64 // differs whenever anything below differs
	Current *Gen   // the generation that is at the log's path; nil if there is none
	Old     []*Gen // earlier generations that are still known, oldest first
	Err     error  // why the file cannot be read at the moment; nil if it can

	joined int64 // Gen.ord of the last one known from an earlier process, or 0
}

// Find returns the generation, or nil if it is not known (any more).
func (s Stat) Find(id GenID) *Gen {
	if s.Current != nil && s.Current.ID == id {
		return s.Current
	}
	for i := len(s.Old) - 1; i >= 0; i-- {
		if s.Old[i].ID == id {
			return s.Old[i]
		}
	}
	return nil
}

// at returns the part of a generation in which a reader stands. Its ord tells,
// if it is not zero. Without one the offset does, and the end of a part is not
// yet the beginning of a later one.
func (s Stat) at(p Pos, ord int64) (found *Gen) {
	if g := s.Current; g != nil && g.ID == p.Gen && g.ord == ord && ord > 0 {
		return g // as a rule; every reader asks at every append
	}
	for g := range s.parts(p.Gen) {
		switch {
		case g.ord == ord && ord > 0:
			return g
		case found == nil, found.Size < p.Off && g.From <= p.Off:
			found = g
		}
	}
	return found
}

// lateAt returns the part that goes on at p, of those that were left if there is
// one.
func (s Stat) lateAt(p Pos) (found *Gen) {
	for g := range s.parts(p.Gen) {
		if found == nil || g.From <= p.Off && g != s.Current {
			found = g
		}
	}
	return found
}

// parts are those that the log has of a generation, in their order: several if
// its file was away in between. They do not overlap.
func (s Stat) parts(id GenID) iter.Seq[*Gen] {
	return func(yield func(*Gen) bool) {
		for _, g := range s.Old {
			if g.ID == id && !yield(g) {
				return
			}
		}
		if s.Current != nil && s.Current.ID == id {
			yield(s.Current)
		}
	}
}

// A Gen is what is known of one generation at one moment.
type Gen struct {
	ID       GenID
	Path     string    // where its bytes are now; empty once it is gone from every directory
	From     int64     // bytes before it are another log's to deliver, at whose path the file was
	Size     int64     // bytes known to belong to it
	Modified time.Time // of the file, as last seen
	Late     int64     // bytes that came after the next generation had begun
	Final    bool      // no byte will be added any more
	Readable bool      // its bytes can still be read

	// Adopted says that the bytes are read from a copy since the file was cut, or
	// is gone: a file beside it that begins with all that was proven of it. In this
	// process; the next one proves the copy as it does any file.
	Adopted bool

	// End is nil as long as readers should wait at Size. It is set when the
	// next generation begins, which is Set.Quiet after the last byte.
	// Its Lost is empty: what a reader lost depends on the reader.
	End *Ended

	ord int64 // place in its Log's order; 0 for other sources
}
