package store

import (
	"errors"
	"io"
	"os"

	"fairlead/replica"
)

// maxLooked is how many copies of one path are looked at.
const maxLooked = 1000

// Under returns the records of a sender's copies of a path that are not diverged
// nor pruned, at most max, the newest first. A copy that begins with other bytes
// than head is left out.
func (s *Store) Under(sender string, at []string, head replica.Head, max int) ([]replica.Record, error) {
	if err := errors.Join(checkSender(sender), CheckPath(at), s.current()); err != nil {
		return nil, err
	}
	rs, err := s.journal.under(sender, at, maxLooked)
	if err = s.checked(err); err != nil {
		return nil, err
	}
	var found []replica.Record
	for _, r := range rs {
		if len(found) >= max {
			break
		}
		if (r.State == replica.Open || r.State == replica.Sealed) && s.begins(r, head) {
			found = append(found, r.Record)
		}
	}
	return found, nil
}

// begins says that a copy may begin with head. One that has less cannot be told,
// and one that cannot be read is no help.
func (s *Store) begins(r *record, head replica.Head) bool {
	if head.N <= 0 || head.N > replica.HeadSize || r.N < head.N {
		return true
	}
	f, err := s.disk.Open(r.file, os.O_RDONLY)
	if err != nil {
		return false
	}
	defer f.Close()
	is, err := hashOf(io.NewSectionReader(f, 0, head.N))
	return err == nil && is == head.Hash
}

// Rehash reads leaves of a copy from first on, at most count, and returns their
// hashes as they are on disk now. The last may be of the rest, up to what is durable.
func (s *Store) Rehash(id replica.ID, first int64, count int) ([]replica.Hash, error) {
	r, f, err := s.openToRead(id)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if r.N == 0 {
		return nil, nil
	}
	var hashes []replica.Hash
	for i := first; i >= 0 && i <= (r.N-1)/replica.LeafSize && i-first < int64(count); i++ {
		h, err := hashOf(leafOf(f, r, i))
		if err != nil {
			return hashes, err
		}
		hashes = append(hashes, h)
	}
	return hashes, nil
}

// leafOf is the bytes of one leaf: the rest, behind the last full one.
func leafOf(f io.ReaderAt, r *record, leaf int64) *io.SectionReader {
	off := leaf * replica.LeafSize
	return io.NewSectionReader(f, off, min(replica.LeafSize, r.N-off))
}
