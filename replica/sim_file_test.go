package replica_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"time"

	"fairlead/logfile"
	"fairlead/replica"
)

// A history is all that was ever written to one generation, in order.
type history struct {
	bytes []byte
	// copies is how many copies there may be of it: one, and one more for each time
	// that nobody could have known that there is one.
	copies int
}

// A simFile is a file at its source.
type simFile struct {
	s    *sim
	gen  logfile.GenID
	path []string
	hist *history
	view []byte // of a copy that it is read from; nil: the history

	other *history // that of view, if it is no copy of this one

	ended, final, adopted bool
	gone                  bool // cannot be read any more
	blocked               bool // cannot be read at the moment
	reason                replica.Reason

	lossy     bool // a part of it may be lost
	rewritten bool // it may have other bytes than what was sent of it
	phantom   bool // it is only an id, which another file had when it was sent
}

func (f *simFile) content() []byte {
	if f.view != nil {
		return f.view
	}
	return f.hist.bytes
}

func (f *simFile) Gen() logfile.GenID { return f.gen }

func (f *simFile) Stat() replica.FileStat {
	f.s.fileMeanwhile()
	return replica.FileStat{Path: f.path, Size: int64(len(f.content())), Modified: f.s.now, Ended: f.ended, Final: f.final,
		Readable: !f.gone && (f.final || !f.blocked), Adopted: f.adopted, Reason: f.reason}
}

var errDenied = errors.New("permission denied")

func (f *simFile) ReadAt(p []byte, off int64) (int, error) {
	f.s.fileMeanwhile()
	b := f.content()
	switch {
	case f.gone:
		return 0, &logfile.Ended{Gen: f.gen, Reason: logfile.Deleted}
	case f.blocked:
		return 0, errDenied
	case off >= int64(len(b)):
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if f.s.one(4) {
		n = 1 + f.s.rng.IntN(n)
	}
	return n, nil
}

// A simLeaves is a cache of leaves.
type simLeaves map[logfile.GenID][]replica.Hash

func (l simLeaves) Load(gen logfile.GenID) []replica.Hash { return l[gen] }
func (l simLeaves) Drop(gen logfile.GenID)                { delete(l, gen) }
func (l simLeaves) Keep(gen logfile.GenID, first int, leaves []replica.Hash) {
	if first <= len(l[gen]) {
		l[gen] = append(slices.Clone(l[gen][:first]), leaves...)
	}
}

// begin begins a file with a history of its own.
func (s *sim) begin(path []string, b []byte) *simFile {
	f := &simFile{s: s, gen: s.newGen(), path: path, hist: s.history(b)}
	s.files = append(s.files, f)
	s.src.Add(f)
	return f
}

func (s *sim) history(b []byte) *history {
	h := &history{bytes: b, copies: 1}
	s.hists = append(s.hists, h)
	return h
}

// like returns the histories that begin with b.
func (s *sim) like(b []byte) (list []*history) {
	for _, h := range s.hists {
		if bytes.HasPrefix(h.bytes, b) {
			list = append(list, h)
		}
	}
	return list
}

// bytes returns n random bytes, that cost little.
func (s *sim) bytes(n int) []byte {
	b := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		v := s.rng.Uint64()
		for j := range 8 {
			b[i+j] = byte(v >> (8 * j))
		}
	}
	return b[:n:n]
}

// size is how much is written at once: little, or up to where leaves end.
func (s *sim) size(have int) int {
	n := 1 + s.rng.IntN(100)
	switch left := replica.LeafSize - have%replica.LeafSize; {
	case s.one(3):
		n = 1 + s.rng.IntN(20_000)
	case s.w.big && s.one(3):
		n = 1 + s.rng.IntN(400_000)
	case s.w.big && s.one(3):
		n = max(1, left-1+s.rng.IntN(3))
	}
	return min(n, s.w.budget)
}

func (s *sim) grow(f *simFile) {
	if f.final || f.gone || s.w.budget == 0 {
		return
	}
	n := s.size(len(f.hist.bytes))
	s.w.budget -= n
	f.hist.bytes = append(f.hist.bytes, s.bytes(n)...)
	s.src.Changed(f.gen)
}

// names are for files that moved.
func (s *sim) name(f *simFile) []string {
	s.moves++
	return []string{"var", f.path[1], strconv.Itoa(s.moves)}
}

// change lets something happen to a file.
func (s *sim) change(f *simFile) {
	switch k := s.rng.IntN(20); {
	case k < 12:
		s.grow(f)
		return
	case k < 14:
		f.blocked = !f.blocked
	case f.final:
		f.gone = f.gone || s.one(3)
		f.lossy = f.lossy || f.gone
	case f.ended && k < 17:
		f.final, f.reason = true, replica.Rotated+replica.Reason(s.rng.IntN(3))
	case k == 14:
		s.move(f)
	case f.ended || len(s.files) >= s.w.files+4:
		s.grow(f)
		return
	case k < 18:
		s.rotate(f)
	default:
		s.truncate(f)
	}
	s.src.Changed(f.gen)
}

// late writes to a file that was thought to be complete. What is sealed stays so.
func (s *sim) late() {
	if len(s.quiet) == 0 || !s.one(8) {
		return
	}
	i := s.rng.IntN(len(s.quiet))
	f := s.quiet[i]
	s.quiet = slices.Delete(s.quiet, i, i+1)
	f.final = false
	s.say("late %s", f.gen.Short())
	s.again(f)
	s.grow(f)
	s.files = append(s.files, f)
	s.src.Add(f)
}

// move renames a file. Whoever has lost its state then does not find its copy.
func (s *sim) move(f *simFile) {
	f.path = s.name(f)
	s.say("move %s %v", f.gen.Short(), f.path)
	s.unsure(f)
}

// unsure expects a copy more of a file whose copy was not found yet, and now will not be.
func (s *sim) unsure(f *simFile) {
	if r := s.disk.recs[replica.ID{Sender: simSender, Gen: f.gen}]; r == nil || r.rec.State != replica.Open {
		s.again(f)
	}
}

func (s *sim) rotate(f *simFile) {
	path := f.path
	if f.ended = true; s.one(2) {
		s.move(f)
	}
	s.begin(path, nil)
	s.grow(s.files[len(s.files)-1])
}

// truncate cuts a file, of which there may be a copy.
func (s *sim) truncate(f *simFile) {
	s.say("truncate %s", f.gen.Short())
	path := f.path
	f.ended, f.final, f.reason = true, true, replica.Truncated
	all := f.hist.bytes
	switch k := s.rng.IntN(6); {
	case k < 3:
		f.view, f.adopted = bytes.Clone(all), true
	case k == 3: // the copy was made before the last bytes were written
		s.unsure(f)
		f.view, f.adopted, f.lossy = bytes.Clone(all[:s.rng.IntN(len(all)+1)]), true, true
	case k == 4 && len(all) > 0: // it is another file's
		other := bytes.Clone(all)
		for i := s.rng.IntN(len(all)); i < len(all); i++ {
			other[i] ^= 0x55
		}
		f.view, f.adopted, f.lossy = append(other, s.bytes(100)...), true, true
		f.other = s.history(f.view)
	default:
		f.gone, f.lossy = true, true
	}
	f.lossy = f.lossy || f.rewritten // nobody knows whether it is the copy or the file that is another
	s.begin(path, nil)
	s.grow(s.files[len(s.files)-1])
}

// rewrite gives a file other bytes while nobody looks; its id is the same.
func (s *sim) rewrite(f *simFile) {
	keep := s.rng.IntN(len(f.content()) + 1)
	s.say("rewrite %s behind %d", f.gen.Short(), keep)
	f.hist = s.history(bytes.Clone(f.content()[:keep]))
	f.view, f.adopted, f.rewritten = nil, false, true
	delete(s.leaves, f.gen) // or it is F6, which only verify finds
	if s.one(2) && !f.final {
		s.grow(f)
	}
}

// restart is another process of the sender.
func (s *sim) restart() {
	if s.inNext {
		return
	}
	s.cut()
	s.count.restarts++
	files := s.files
	s.files = nil
	lost := s.one(4)
	if lost {
		s.leaves = make(simLeaves)
		s.instance[0]++
	}
	s.newSource()
	s.say("RESTART lost=%t", lost)
	for _, f := range files {
		switch {
		case f.gone: // nobody finds it
			continue
		case s.one(12):
			s.rewrite(f)
		case s.one(8):
			delete(s.leaves, f.gen)
		case s.one(8) && len(s.leaves[f.gen]) > 0:
			s.leaves[f.gen][s.rng.IntN(len(s.leaves[f.gen]))][3]++
		}
		switch {
		case lost:
			f.gen = s.newGen()
		case s.one(6):
			s.misname(f)
		}
		s.foresee(f)
		s.files = append(s.files, f)
		if as, ok := s.called[f.gen]; ok && s.one(2) {
			s.src.AddAs(f, as)
		} else {
			s.src.Add(f)
		}
	}
}

// misname gives a file another id: the process before was killed before it had
// written down which file its id belongs to. All that is left of that is an id, of a
// file that was empty and is gone.
func (s *sim) misname(f *simFile) {
	old := &simFile{s: s, gen: f.gen, path: f.path, hist: s.history(nil), ended: true, final: true, gone: true, reason: replica.Rotated, phantom: true}
	delete(s.leaves, f.gen)
	f.gen = s.newGen()
	s.say("misname %s, was %s", f.gen.Short(), old.gen.Short())
	s.files = append(s.files, old)
	s.src.Add(old)
}

// foresee counts a copy more of a file that cannot be found again.
func (s *sim) foresee(f *simFile) {
	if r := s.disk.recs[replica.ID{Sender: simSender, Gen: f.gen}]; r != nil && r.rec.State == replica.Open {
		return
	}
	for _, r := range s.disk.recs {
		if r.rec.N > 0 && r.rec.State < replica.Diverged && slices.Equal(r.rec.Path, f.path) && r.ino != nil &&
			(r.rec.State == replica.Open || int(r.rec.N) == len(f.content())) &&
			bytes.HasPrefix(f.content(), r.ino.dur[:min(int(r.rec.N), len(r.ino.dur))]) {
			return
		}
	}
	s.again(f)
}

// again expects one copy more of a file.
func (s *sim) again(f *simFile) {
	s.say("%s cannot be found", f.gen.Short())
	if f.hist.copies++; f.other != nil {
		f.other.copies++
	}
}

// heard looks at an event.
func (s *sim) heard(e replica.Event) {
	f := e.File.(*simFile)
	s.count.events[e.Kind]++
	lost := e.Seal.Size - e.Seal.N
	switch e.Kind {
	case replica.Called:
		if s.called == nil {
			s.called = make(map[logfile.GenID]logfile.GenID)
		}
		s.called[f.gen] = e.Gen
	case replica.Pending:
		if !f.lossy || lost < 0 {
			s.fail("%s: %d bytes are said to be lost", f.gen.Short(), lost)
		}
	case replica.Apart:
		if !f.rewritten {
			s.fail("%s: the copy is said to have other bytes", f.gen.Short())
		}
	case replica.Done:
		if f.phantom {
			s.files = slices.DeleteFunc(s.files, func(g *simFile) bool { return f == g })
			return
		}
		r := s.disk.recs[replica.ID{Sender: simSender, Gen: e.Gen}]
		switch all := int64(len(f.hist.bytes)); {
		case r == nil || r.rec.State != replica.Sealed || r.rec.N != e.Seal.N || r.rec.Seal.Proof != e.Seal.Proof:
			s.fail("%s: it is done, and its copy is not sealed so", f.gen.Short())
		case !f.final:
			s.fail("%s: it is done, and not final", f.gen.Short())
		case f.lossy && f.view == nil && !f.rewritten && e.Seal.Size != all:
			s.fail("%s: it is done with %d bytes and %d lost, and had %d", f.gen.Short(), e.Seal.N, lost, all)
		case lost != 0 && !f.lossy:
			s.fail("%s: %d bytes are lost for no reason", f.gen.Short(), lost)
		case f.lossy: // what there was of it
		case e.Seal.N != all:
			s.fail("%s: it is done with %d of %d bytes", f.gen.Short(), e.Seal.N, all)
		}
		s.files = slices.DeleteFunc(s.files, func(g *simFile) bool { return f == g })
		if !f.lossy && f.view == nil {
			s.quiet = append(s.quiet, f)
		}
	}
}

// newGen is an id that the seed alone decides.
func (s *sim) newGen() (g logfile.GenID) {
	copy(g[:], s.bytes(len(g)))
	return g
}

const start = 1_700_000_000

func simStart() time.Time { return time.Unix(start, 0) }
