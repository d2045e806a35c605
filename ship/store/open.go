package store

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"fairlead/logfile"
	"fairlead/replica"
	"fairlead/ship/disk"
)

// Open opens the file of a copy, and begins the copy if there is none. Whatever is
// wrong with this one file is a *replica.BusyError.
func (s *Store) Open(id replica.ID, at []string, ended time.Time) (replica.Copy, replica.Record, []replica.Hash, error) {
	fail := func(err error) (replica.Copy, replica.Record, []replica.Hash, error) {
		return nil, replica.Record{}, nil, err
	}
	if err := errors.Join(checkSender(id.Sender), CheckPath(at)); err != nil {
		return fail(err)
	}
	defer s.claim(id, true)()
	if err := s.supersede(id); err != nil {
		return fail(err)
	}
	r, err := s.settledRecord(id)
	if err == nil && r == nil {
		r, err = s.begin(id, slices.Clone(at), ended)
	}
	if err != nil {
		return fail(s.refused(strings.Join(at, "/"), err))
	}
	if r.State == replica.Pruned {
		return fail(s.busy(retryRefused, "copy %s was pruned, and is not taken again", id.Gen.Short()))
	}
	v, r, err := s.ready(r)
	if err != nil {
		return fail(s.refused(r.file, err))
	}
	leaves, err := s.leavesOf(r)
	if err == nil && !slices.Equal(r.Path, at) {
		moved := *r
		moved.Path = slices.Clone(at)
		err = s.change(change{old: r, new: &moved})
		r = &moved
	}
	if err != nil {
		s.retire(v, errClosed)
		return fail(err)
	}
	s.mu.Lock()
	delete(s.durable, id)
	s.open[id] = v
	s.mu.Unlock()
	return v, r.Record, leaves, nil
}

// supersede ends the use of a copy by who opened it before, and refuses one that
// cannot be made durable.
func (s *Store) supersede(id replica.ID) error {
	s.mu.Lock()
	v := s.open[id]
	delete(s.open, id)
	failed := s.failed[id]
	s.mu.Unlock()
	if v != nil {
		s.retire(v, &replica.BusyError{Why: "the copy was opened again", Retry: retryAgain})
	}
	if failed.count >= maxFailures && s.o.Now().Sub(failed.at).Abs() < retryRefused {
		return s.busy(retryRefused, "%d fsyncs in a row failed: %s", failed.count, failed.why)
	}
	return nil
}

// begin makes the record of a new copy, under a name that is free. The file is made
// afterwards: a file that is in no record is not ours.
func (s *Store) begin(id replica.ID, at []string, ended time.Time) (*record, error) {
	if err := s.more(id.Sender, 1); err != nil {
		return nil, err
	}
	r := newRecord(id, at, ended)
	return r, s.place(nil, r)
}

func newRecord(id replica.ID, at []string, ended time.Time) *record {
	return &record{Record: replica.Record{ID: id, Path: at, Rest: new(replica.Tree).Rest(), Ended: ended}}
}

// nameOf returns the names that the file of a new copy gets: those of its path, and
// if the file left that already, of an ended one.
func (s *Store) nameOf(r *record) []string {
	parts := slices.Clone(r.Path)
	if last := len(parts) - 1; !r.Ended.IsZero() {
		parts[last] = disk.Join(parts[last], disk.GenSuffix(r.Ended, r.Gen), 1, s.disk.Max)
	}
	return parts
}

// place gives a copy the name of its path, or one beside that if it is taken, and
// makes that durable. old is its record until now.
func (s *Store) place(old, r *record) error {
	plain := path.Join(append([]string{r.Sender}, s.nameOf(r)...)...)
	for {
		before, err := s.holder(plain)
		if err != nil {
			return err
		}
		if s.isCurrent(before, r.ID) {
			if err := s.End(before.ID, s.o.Now()); err != nil {
				return err
			}
		}
		done, err := s.placeNow(old, r, plain)
		if err != nil {
			return s.refused(plain, err)
		}
		if done {
			return nil
		}
	}
}

// isCurrent says that a record is one whose generation has to end before another
// copy gets the name.
func (s *Store) isCurrent(r *record, but replica.ID) bool {
	return r != nil && r.ID != but && r.Ended.IsZero() && r.State != replica.Pruned
}

// placeNow is place, unless another copy has got the name meanwhile.
func (s *Store) placeNow(old, r *record, plain string) (done bool, err error) {
	s.placing.Lock()
	defer s.placing.Unlock()
	before, err := s.holder(plain)
	if err != nil || s.isCurrent(before, r.ID) {
		return false, err
	}
	name := r.Sender
	for i, part := range s.nameOf(r) {
		if name, err = s.free(name, part, r.Gen, i < len(r.Path)-1); err != nil {
			return false, err
		}
	}
	if name != plain {
		s.problem(plain, "the name is taken: the copy is kept as "+name, "none is needed; to have it at its own name, move what is there away before the next rotation")
	}
	r.file = name
	return true, s.change(change{old: old, new: r})
}

// maxTries is how many names are tried.
const maxTries = 1000

// free returns the name in a directory that a part of a path gets: its own, or if
// that is taken one with the generation behind it. What is a directory may be
// shared.
func (s *Store) free(in, part string, gen logfile.GenID, dir bool) (string, error) {
	for nr := range maxTries {
		base := part
		if nr > 0 {
			base = disk.Join(part, besideSuffix(gen), nr, s.disk.Max)
		}
		name := in + "/" + base
		holder, err := s.holder(name)
		if err != nil {
			return "", err
		}
		fi, err := s.disk.Lstat(name)
		switch {
		case disk.NameTooLong(err) && nr == 0:
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", err
		case holder == nil && (err != nil || dir && fi.IsDir()):
			return name, nil
		}
	}
	return "", errNoName
}

// ready opens the file of a copy and makes it what the record says, or the record
// what is good of the file.
func (s *Store) ready(r *record) (*file, *record, error) {
	v := &file{s: s, id: r.ID, readOnly: !r.growing(), name: r.file}
	f, err := s.disk.Open(r.file, v.flag())
	for try := 0; errors.Is(err, fs.ErrNotExist) && r.N == 0 && r.growing(); try++ {
		if f, err = s.disk.Create(r.file); err == nil || try == maxTries {
			break
		}
		var way *disk.WayError
		if !errors.Is(err, fs.ErrExist) && !errors.As(err, &way) {
			return nil, r, err
		}
		elsewhere := *r // somebody was faster
		if err := s.place(r, &elsewhere); err != nil {
			return nil, r, err
		}
		r, v.name, err = &elsewhere, elsewhere.file, fs.ErrNotExist
	}
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !(missing && r.growing()) {
		return nil, r, err
	}
	good := false
	if !missing {
		if good, err = s.fits(r, f); err != nil {
			f.Close()
			return nil, r, err
		}
	}
	if !good && r.growing() {
		if r, err = s.mend(r, f); err == nil {
			f, err = s.disk.Open(r.file, v.flag())
		}
		if err != nil {
			return nil, r, err
		}
	}
	if !good && !r.growing() {
		s.trouble.damaged.Add(1)
		s.problem(r.file, "the copy is damaged", "compare with its source, if that still exists: fairlead verify")
	}
	if fi, err := f.Stat(); err == nil {
		v.elsewhere = disk.Device(fi) != s.disk.Dev
	}
	v.size, v.synced, v.committed, v.fresh = r.N, r.N, r.N, r.N == 0
	s.cache.add(v, f)
	s.cache.unpin(v)
	return v, r, nil
}

// fits says whether a file has the bytes of its record, as far as can be told from
// the last of them. What is behind them is cut off.
func (s *Store) fits(r *record, f *os.File) (bool, error) {
	fi, err := f.Stat()
	if err != nil {
		return false, err
	}
	if fi.Size() < r.N {
		return false, nil
	}
	good, err := s.endFits(r, f)
	if err != nil || !good {
		return false, err
	}
	if fi.Size() > r.N && r.growing() {
		return true, s.disk.Cut(f, r.file, r.N)
	}
	return true, nil
}

// endFits compares the bytes behind the last full leaf with their hash; if there
// are none the last leaf.
func (s *Store) endFits(r *record, f io.ReaderAt) (bool, error) {
	first, want := r.leaves(), r.Rest
	if r.N == 0 {
		return true, nil
	}
	if r.N%replica.LeafSize == 0 {
		first--
		leaves, err := s.leavesAt(r, first, 1)
		if err != nil {
			return false, err
		}
		want = leaves[0]
	}
	off := first * replica.LeafSize
	is, err := hashOf(io.NewSectionReader(f, off, r.N-off))
	return is == want, err
}
