package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"fairlead/replica"
	"fairlead/ship/disk"
)

// openLog puts into the files and the journal what only the log has, and makes the log
// ready to be written. There is none where it is not known that a sync tells of errors,
// and none as long as there is no room for it.
func (s *Store) openLog() error {
	f, err := openLogFile(s.own)
	if err != nil {
		return err
	}
	if f != nil {
		if err := s.replay(f); err != nil {
			f.Close()
			return fmt.Errorf("replay log: %w", err)
		}
	}
	if s.o.logSize > 0 && s.tells {
		l := &log{file: f, size: s.o.logSize, around: s.disk.Around}
		err = s.readyLog(l)
		f = l.file
		if err == nil {
			s.log = l
			return nil
		}
		if _, ok := disk.Full(err); ok || errors.As(err, new(*replica.BusyError)) {
			err = nil
		}
	}
	if f != nil {
		f.Close()
	}
	return err
}

// readyLog makes the file of a log, if it is not there or not as large as it should be,
// and begins an epoch: what is left in it does not count.
func (s *Store) readyLog(l *log) (err error) {
	if l.file == nil {
		err = s.disk.Around.Do("create", ownDir+"/"+logName, func() error {
			l.file, err = s.own.OpenFile(logName, os.O_RDWR|os.O_CREATE|os.O_EXCL|disk.OpenAsIs, 0o600)
			return err
		})
		if err != nil {
			return err
		}
	}
	fi, err := l.file.Stat()
	if err != nil {
		return err
	}
	if fi.Size() != l.size {
		if err := errors.Join(l.fill(), s.disk.SyncDirOf(ownDir+"/"+logName)); err != nil {
			return err
		}
	}
	l.begin(newEpoch())
	return s.checked(s.journal.change(nil, l.epoch))
}

// maxLog is how much of a log is read.
const maxLog = 4 << 20

// replay puts into the files, durably, and then into the journal what a log has. It
// may be interrupted, and begin again, anywhere.
func (s *Store) replay(f io.Reader) error {
	epoch, err := s.journal.epoch()
	if err != nil {
		return err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxLog))
	if err != nil {
		return err
	}
	grown, err := s.grownBy(parseLog(b, epoch))
	if err != nil || len(grown) == 0 {
		return err
	}
	changes := make([]change, len(grown))
	for i, g := range grown {
		if err := s.rewrite(g.old, g.entries); err != nil {
			return err
		}
		changes[i] = g.change
	}
	if err := s.journal.change(changes, newEpoch()); err != nil {
		return err
	}
	s.tell(changes)
	return nil
}

// A regrown is a copy of which the log has more than the journal.
type regrown struct {
	change
	entries []entry
}

// grownBy returns what entries do to the copies. One that does not continue its copy
// counts for nothing.
func (s *Store) grownBy(es []entry) (list []*regrown, err error) {
	known := make(map[replica.ID]*regrown)
	for _, e := range es {
		g := known[e.id]
		if g == nil {
			r, err := s.journal.record(e.id)
			if err != nil {
				return nil, err
			}
			g = &regrown{change: change{old: r, new: r}}
			known[e.id] = g
		}
		if g.new == nil || !g.new.growing() || g.new.N != e.off {
			s.problem("", fmt.Sprintf("the log has bytes of copy %s of %s from %d on, which do not continue it", e.id.Gen, e.id.Sender, e.off), "none is needed: what was not acknowledged is sent again")
			continue
		}
		if len(g.entries) == 0 {
			list = append(list, g)
		}
		next := *g.new
		next.N, next.Rest = e.end(), e.rest
		g.new, g.leaves, g.entries = &next, append(g.leaves, e.leaves...), append(g.entries, e)
	}
	return list, nil
}

// rewrite writes entries to the file of a copy once more, durably. A file that lacks
// even what comes before them, or is none, is damaged, and mended when it is opened.
func (s *Store) rewrite(r *record, es []entry) error {
	f, err := s.disk.Open(r.file, os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) || errors.As(err, new(*disk.StrangeError)) || errors.As(err, new(*disk.WayError)) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil || fi.Size() < r.N {
		return err
	}
	for _, e := range es {
		err := s.disk.Around.Do("write", r.file, func() error {
			_, err := f.WriteAt(e.bytes, e.off)
			return err
		})
		if err != nil {
			return err
		}
	}
	return s.disk.SyncFile(f, r.file, false)
}
