package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"fairlead/replica"
	"fairlead/ship/disk"
)

// hashOf returns the SHA-256 of all that r gives.
func hashOf(r io.Reader) (h replica.Hash, err error) {
	sum := sha256.New()
	_, err = io.Copy(sum, r)
	return replica.Hash(sum.Sum(nil)), err
}

// leavesAt returns count hashes of a record, from first on.
func (s *Store) leavesAt(r *record, first, count int64) (leaves []replica.Hash, err error) {
	leaves, err = s.journal.leaves(r, first, count)
	return leaves, s.checked(err)
}

// mend replaces a damaged file by what is good of it, leaf by leaf from the
// beginning. The damaged one stays beside it. f is the file, which mend closes; nil
// if it is missing. It returns the record of what is good.
func (s *Store) mend(r *record, f *os.File) (*record, error) {
	s.trouble.damaged.Add(1)
	missing := f == nil
	with := ownDir + "/mend-" + r.Gen.String()
	keep, err := s.copyGood(r, f, with)
	if f != nil {
		f.Close()
	}
	if err != nil {
		return r, errors.Join(err, s.disk.Remove(with))
	}
	i := &intent{id: r.ID, what: mend, from: r.file, with: with, keep: keep}
	dir, base := path.Split(r.file)
	i.to = dir + disk.Join(base, damagedSuffix(s.o.Now()), 1, s.disk.Max)
	if err := s.change(change{old: r, new: r, intent: i}); err != nil {
		return r, err
	}
	what := fmt.Sprintf("the file was damaged: %d of %d bytes are good, and the rest is asked for again", keep, r.N)
	if missing {
		what = fmt.Sprintf("the file is missing: %d bytes are asked for again", r.N)
	}
	r, err = s.finishMend(r, i)
	if err == nil {
		s.problem(r.file, what, "check the disk; a damaged file is kept beside, and may be removed")
	}
	return r, err
}

// copyGood copies what is good of f to a file of ours, durably, and returns how
// much that is.
func (s *Store) copyGood(r *record, f *os.File, with string) (keep int64, err error) {
	if err := s.disk.Remove(with); err != nil {
		return 0, err
	}
	out, err := s.disk.Create(with)
	if err != nil {
		return 0, err
	}
	defer out.Close()
	buf := make([]byte, replica.LeafSize)
	for i := int64(0); f != nil && i < r.leaves(); i++ {
		n, err := f.ReadAt(buf, i*replica.LeafSize)
		if n < len(buf) && err == io.EOF {
			break
		}
		if n < len(buf) {
			return 0, err
		}
		leaves, err := s.leavesAt(r, i, 1)
		if err != nil {
			return 0, err
		}
		if replica.Hash(sha256.Sum256(buf)) != leaves[0] {
			break
		}
		if _, err := out.WriteAt(buf, keep); err != nil {
			return 0, err
		}
		keep += replica.LeafSize
	}
	if err := s.disk.SyncFile(out, with, true); err != nil {
		return 0, err
	}
	if err := s.disk.SyncDirOf(with); err != nil {
		return 0, s.stop(err)
	}
	return keep, nil
}

// finishMend does what a mend intends, from wherever a crash has left it.
func (s *Store) finishMend(r *record, i *intent) (*record, error) {
	_, err := s.disk.Lstat(i.with)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	for ready := err == nil; ready; {
		if err := s.aside(i.from, i.to); err != nil {
			return r, err
		}
		err := s.disk.Rename(i.with, i.from)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return r, err
		}
		ready = err != nil // somebody was faster
	}
	if err := errors.Join(s.disk.SyncDirOf(i.from), s.disk.SyncDirOf(i.with)); err != nil {
		return r, s.stop(err)
	}
	mended := *r
	mended.N, mended.Rest = i.keep, new(replica.Tree).Rest()
	return &mended, s.change(change{old: r, new: &mended})
}

// aside gives a file that name, or the next one that is free. There may be none.
func (s *Store) aside(from, to string) error {
	dir, base := path.Split(to)
	for nr := range maxTries {
		err := s.disk.Rename(from, dir+disk.Join(base, "", nr+1, s.disk.Max))
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return errNoName
}
