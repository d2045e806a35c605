package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	bolt "go.etcd.io/bbolt"

	"fairlead/replica"
	"fairlead/ship/disk"
)

// openJournal opens the journal, or makes it anew if it is damaged, or is missing
// where one was.
func (s *Store) openJournal(known bool) error {
	if err := s.own.Remove(newName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := error(nil)
	fi, missing := s.own.Lstat(journalName)
	if known && (errors.Is(missing, fs.ErrNotExist) || missing == nil && fi.Size() == 0) {
		err = fmt.Errorf("%w: it is missing", errDamaged)
	} else {
		err = s.useJournal()
	}
	if errors.Is(err, errDamaged) {
		if err = s.rebuild(err); err == nil {
			err = s.useJournal()
		}
	}
	if err == nil && s.journal.sparse() {
		if err = s.compact(); err != nil {
			return fmt.Errorf("compact journal: %w", err)
		}
		err = s.useJournal()
	}
	if err != nil {
		return err
	}
	if err := s.disk.Settle([]string{ownDir + "/" + journalName}); err != nil {
		return err
	}
	return s.disk.SettleSelf()
}

// useJournal opens the journal, and looks at all that is in it.
func (s *Store) useJournal() error {
	s.limits.senders = make(map[string]*usage)
	s.counts = Stats{Copies: make(map[replica.State]int)}
	j, err := openJournal(s.own, journalName, s.disk.Around)
	if err != nil {
		return err
	}
	if err := j.audit(func(r *record) { s.account(nil, r) }); err != nil {
		j.close()
		return err
	}
	s.journal = j
	return nil
}

// audit yields every record. An error says that the journal is not as it was
// written.
func (j *journal) audit(yield func(*record)) error {
	return j.view(func(tx *bolt.Tx) error {
		st, err := readState(tx)
		if err != nil {
			return err
		}
		leaves, err := countLeaves(tx)
		if err != nil {
			return err
		}
		files, paths := tx.Bucket(bucketFiles), tx.Bucket(bucketPaths)
		err = tx.Bucket(bucketRecords).ForEach(func(k, v []byte) error {
			r, err := decodeRecord(k, v)
			if err != nil {
				return err
			}
			want := r.leaves()
			if r.State == replica.Pruned {
				want = 0
			}
			path := pathKey(r)
			switch {
			case leaves[r.seq] != want:
				return fmt.Errorf("%w: %d leaves of %s, not %d", errDamaged, leaves[r.seq], r.Gen, want)
			case r.file != "" && !points(files, []byte(r.file), k), !points(paths, path, r.Gen[:]):
				return fmt.Errorf("%w: %s cannot be found by its name", errDamaged, r.Gen)
			}
			delete(leaves, r.seq)
			st.records--
			yield(r)
			return nil
		})
		if err == nil && (st.records != 0 || len(leaves) != 0) {
			err = fmt.Errorf("%w: records are missing", errDamaged)
		}
		return err
	})
}

// points says that a value of a bucket is as it should be.
func points(b *bolt.Bucket, key, to []byte) bool {
	v, err := unsealed(key, b.Get(key))
	return err == nil && string(v) == string(to)
}

// countLeaves returns how many leaves there are, by sequence number.
func countLeaves(tx *bolt.Tx) (map[uint64]int64, error) {
	counts := make(map[uint64]int64)
	err := tx.Bucket(bucketLeaves).ForEach(func(k, v []byte) error {
		if len(k) != 12 {
			return fmt.Errorf("%w: %x is no leaf", errDamaged, k)
		}
		seq := leafOwner(k)
		if string(k) != string(leafKey(seq, counts[seq])) {
			return fmt.Errorf("%w: leaf %d is missing", errDamaged, counts[seq])
		}
		counts[seq]++
		_, err := unsealed(k, v)
		return err
	})
	return counts, err
}

// minCompact is the size of a journal that is too small to be compacted.
const minCompact = 1 << 20

// sparse says that more than half of the journal is not in use: it never shrinks by
// itself.
func (j *journal) sparse() bool {
	st := j.db.Stats()
	free := int64(st.FreePageN+st.PendingPageN) * int64(j.db.Info().PageSize)
	return j.used > minCompact && free > j.used/2
}

// compact copies the journal to a new file, which takes its place, and closes it. If
// there is no room for that it stays as it is.
func (s *Store) compact() error {
	from := s.journal
	s.journal = nil
	to, err := openBolt(s.own, newName, s.disk.Around)
	if err == nil {
		to.db.NoSync = true // until all is there
		err = from.guarded(func() error { return bolt.Compact(to.db, from.db, 1<<20) })
		err = errors.Join(err, to.db.Sync(), to.close())
	}
	err = errors.Join(err, from.close())
	if _, ok := disk.Full(err); ok {
		return s.own.Remove(newName)
	}
	if err != nil {
		return err
	}
	return s.install()
}

// install makes the new journal the journal.
func (s *Store) install() error {
	err := s.disk.Around.Do("rename", ownDir+"/"+newName+"\x00"+ownDir+"/"+journalName, func() error {
		return s.own.Rename(newName, journalName)
	})
	if err != nil {
		return err
	}
	return s.disk.SyncDirOf(ownDir + "/" + journalName)
}

// finish does what an intent says.
func (s *Store) finish(r *record, i *intent) (*record, error) {
	if i.what == mend {
		return s.finishMend(r, i)
	}
	return s.finishEnd(r, i, true)
}

// finishAll finishes what was begun before a crash. What cannot be finished now is
// tried again when the copy is opened.
func (s *Store) finishAll() error {
	intents, err := s.journal.intents()
	if err != nil {
		return err
	}
	needed := make(map[string]bool)
	for _, i := range intents {
		r, err := s.record(i.id)
		if err == nil && r != nil {
			_, err = s.finish(r, i)
		}
		if err != nil {
			needed[path.Base(i.with)] = true
			if err = s.refused(i.from, err); errors.Is(err, ErrStopped) {
				return err
			}
		}
	}
	return s.tidy(needed)
}

// tidy removes what a mend has left that was not begun.
func (s *Store) tidy(needed map[string]bool) error {
	dir, err := s.own.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, "mend-") && !needed[name] {
			if err := s.disk.Remove(ownDir + "/" + name); err != nil {
				return err
			}
		}
	}
	return nil
}

// lookAtAll compares the files with their records, as far as that needs no reading:
// what was not acknowledged is cut off, and what is missing is told. It is put right
// when the copy is opened.
func (s *Store) lookAtAll() error {
	var pruned []*record
	for after := []byte(nil); ; {
		rs, err := s.some(after, 1000)
		if err != nil || len(rs) == 0 {
			return errors.Join(err, s.unlink(pruned))
		}
		for _, r := range rs {
			switch {
			case r.State != replica.Pruned:
				s.look(r)
			case r.file != "":
				pruned = append(pruned, r)
			}
		}
		after = recordKey(rs[len(rs)-1].ID)
	}
}

func (s *Store) look(r *record) {
	fi, err := s.disk.Lstat(r.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if r.N > 0 {
			s.problem(r.file, "the file is missing", "nothing, if its source still has the bytes: they are sent again")
		}
	case err != nil:
		s.refused(r.file, err)
	case !fi.Mode().IsRegular():
		s.refused(r.file, &disk.StrangeError{Name: r.file, Is: disk.Kind(fi.Mode())})
	case fi.Size() < r.N:
		s.problem(r.file, fmt.Sprintf("the file has %d bytes of %d", fi.Size(), r.N), "nothing, if its source still has the bytes: they are sent again")
	case fi.Size() > r.N && r.growing():
		if err := s.cutBack(r); err != nil {
			s.refused(r.file, err)
		}
	}
}

func (s *Store) cutBack(r *record) error {
	f, err := s.disk.Open(r.file, os.O_RDWR)
	if err != nil {
		return err
	}
	defer f.Close()
	return s.disk.Cut(f, r.file, r.N)
}
