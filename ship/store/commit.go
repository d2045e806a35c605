package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"fairlead/replica"
)

const (
	maxSyncs    = 64 // files that are synced one by one; above, the file system is
	atOnce      = 8  // of them at a time
	maxFailures = 3  // fsyncs of a copy that fail in a row
)

// A failure is an fsync that failed, and how many did in a row.
type failure struct {
	count int
	at    time.Time
	why   string
}

// Sync makes durable what was written to copies, and that they are there; or, if that is
// little, has the commit do so that names it. A copy that cannot be made durable is
// closed, and what was not committed is cut off when it is opened again: its
// descriptor would say that all is well.
func (s *Store) Sync(copies []replica.Copy) []error {
	errs := make([]error, len(copies))
	var dirty []*file
	var at []int
	for i, c := range copies {
		v, ok := c.(*file)
		if !ok || v.s != s {
			errs[i] = fmt.Errorf("sync copy: it is not of this store")
			continue
		}
		if errs[i] = v.usable(); errs[i] != nil {
			continue
		}
		if s.cache.isDirty(v) || v.ahead() {
			dirty, at = append(dirty, v), append(at, i)
		}
	}
	if !s.deferSync(dirty) {
		for i, err := range s.makeDurable(dirty) {
			errs[at[i]] = s.synced(dirty[i], err)
		}
	}
	s.cache.trim(s.cache.max)
	return errs
}

// deferSync leaves it to the log to make files durable, if that is little. They stay
// dirty.
func (s *Store) deferSync(files []*file) bool {
	if s.log == nil || len(files) > s.cache.max {
		return false
	}
	sum, sizes := int64(0), make([]int64, len(files))
	for i, v := range files {
		v.mu.Lock()
		sizes[i] = v.size
		sum += v.size - max(v.synced, v.committed)
		refused := v.fresh || v.failed != nil || v.gone != nil
		v.mu.Unlock()
		if refused || sum > maxDeferred {
			return false
		}
	}
	for i, v := range files {
		v.mu.Lock()
		v.deferred = max(v.deferred, min(sizes[i], v.size))
		v.mu.Unlock()
	}
	return true
}

// makeDurable syncs files, and notes how many of their bytes are durable then. One
// whose sync has failed is not synced again.
func (s *Store) makeDurable(files []*file) []error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	sizes := make([]int64, len(files))
	for i, v := range files {
		if _, err := s.cache.pin(v); err == nil { // what is not dirty may be closed, and with it goes the error
			defer s.cache.unpin(v)
		}
		s.cache.setDirty(v, false) // before its size is asked for: what comes behind makes it dirty again
		v.mu.Lock()
		sizes[i] = v.size
		v.mu.Unlock()
	}
	errs := s.syncFiles(files)
	for i, v := range files {
		v.mu.Lock()
		v.failed = cmp.Or(v.failed, errs[i])
		if errs[i] = v.failed; v.failed == nil {
			v.synced, v.fresh = max(v.synced, min(sizes[i], v.size)), false
		}
		v.mu.Unlock()
	}
	return errs
}

// syncFiles syncs files and, of new ones, the directories. The caller holds syncing.
func (s *Store) syncFiles(files []*file) []error {
	errs := make([]error, len(files))
	if len(files) > maxSyncs && s.tells {
		if err := s.disk.SyncAll(); err != nil {
			s.tells = false // the next one would say that all is well
			for i := range errs {
				errs[i] = err
			}
		}
		return s.syncElsewhere(files, errs)
	}
	if len(files) == 1 {
		errs[0] = s.syncOne(files[0]) // as a rule: what another goroutine costs is felt
	} else {
		var group errgroup.Group
		group.SetLimit(atOnce)
		for i, v := range files {
			group.Go(func() error {
				errs[i] = s.syncOne(v)
				return nil
			})
		}
		group.Wait()
	}
	s.settle(files, errs)
	return errs
}

// syncElsewhere syncs the files that are on a file system of their own.
func (s *Store) syncElsewhere(files []*file, errs []error) []error {
	var there []*file
	var at []int
	for i, v := range files {
		if v.elsewhere && errs[i] == nil {
			there, at = append(there, v), append(at, i)
		}
	}
	for i, v := range there {
		errs[at[i]] = s.syncOne(v)
	}
	s.settle(there, errs)
	return errs
}

func (s *Store) syncOne(v *file) error {
	f, err := s.cache.pin(v)
	if err != nil {
		return err
	}
	defer s.cache.unpin(v)
	v.mu.Lock()
	name, fresh, failed := v.name, v.fresh, v.failed
	v.mu.Unlock()
	if failed != nil {
		return failed
	}
	return s.disk.SyncFile(f, name, fresh)
}

// settle makes it durable that the new ones of files are there.
func (s *Store) settle(files []*file, errs []error) {
	var names []string
	for _, v := range files {
		v.mu.Lock()
		if v.fresh {
			names = append(names, v.name)
		}
		v.mu.Unlock()
	}
	if err := s.disk.Settle(names); err != nil {
		err = s.stop(err) // a second fsync might say that all is well
		for i := range errs {
			errs[i] = err
		}
	}
}

// synced notes what became of a sync of a copy.
func (s *Store) synced(v *file, err error) error {
	if err == nil {
		s.mu.Lock()
		delete(s.failed, v.id)
		s.mu.Unlock()
		return nil
	}
	if errors.Is(err, ErrStopped) {
		return err
	}
	busy := s.busy(retryAgain, "make durable %s: %v", v.where(), err)
	s.mu.Lock()
	if s.open[v.id] == v {
		delete(s.open, v.id)
	}
	failed := failure{s.failed[v.id].count + 1, s.o.Now(), err.Error()}
	s.failed[v.id] = failed
	s.mu.Unlock()
	s.retire(v, busy)
	if err := s.alive(); err != nil {
		return err // it was committed, and only the log has it
	}
	if failed.count >= maxFailures {
		busy.Retry = retryRefused
		s.problem(v.where(), fmt.Sprintf("%d fsyncs in a row failed: %v", failed.count, err), "check the disk; nothing of this copy is acknowledged until it can be made durable")
	}
	return busy
}

// Commit makes records durable. A *replica.BusyError says that nothing was
// committed.
func (s *Store) Commit(updates []replica.Update) error {
	if err := s.alive(); err != nil {
		return err
	}
	ids := make([]replica.ID, len(updates))
	for i, u := range updates {
		if ids[i] = u.ID; slices.Contains(ids[:i], u.ID) {
			return fmt.Errorf("commit: copy %s twice", u.Gen)
		}
	}
	if id, ok := s.claimAll(ids); !ok {
		return s.busy(retryAgain, "copy %s is being opened again", id.Gen.Short())
	}
	defer s.release(ids...)
	defer s.promise(updates, false)
	s.promise(updates, true)
	changes, files := make([]change, len(updates)), make([]*file, len(updates))
	for i := range updates {
		files[i] = s.openFile(updates[i].ID)
		c, err := s.growth(&updates[i], files[i])
		if err != nil {
			return err
		}
		changes[i] = c
	}
	done, err := s.toLog(changes, files)
	if err != nil {
		return err
	}
	if done {
		s.tell(changes)
	} else if err := s.toJournal(changes, files); err != nil {
		return err
	}
	for _, c := range changes {
		s.grew(c.old, c.new)
	}
	return nil
}

// toJournal commits changes of copies to the journal. files are those of the copies,
// nil for one that is not open.
func (s *Store) toJournal(changes []change, files []*file) error {
	var late []*file
	for i, v := range files {
		if v != nil && !v.has(changes[i].new.N) {
			late = append(late, v)
		}
	}
	for i, err := range s.makeDurable(late) {
		if err = s.synced(late[i], err); err != nil {
			return err
		}
	}
	return s.change(changes...)
}

// growth checks an update against what is there. A record that says more than is
// durable, or becomes so with it, is the one mistake that nothing could put right.
func (s *Store) growth(u *replica.Update, v *file) (change, error) {
	r, err := s.newest(u.ID, v)
	if err != nil {
		return change{}, err
	}
	wrong := func(why string) (change, error) {
		return change{}, fmt.Errorf("commit %d bytes of copy %s of %s: %s", u.N, u.Gen, u.Sender, why)
	}
	if r == nil {
		return wrong("there is none")
	}
	grown := *r
	grown.N, grown.Rest, grown.State, grown.Seal = u.N, u.Rest, u.State, u.Seal
	switch {
	case u.N < r.N:
		return wrong(fmt.Sprintf("%d are committed", r.N))
	case u.N > r.N && !r.growing():
		return wrong("it is " + r.State.String())
	case u.State == replica.Pruned || r.State == replica.Pruned:
		return wrong("only the store prunes")
	case grown.leaves() != r.leaves()+int64(len(u.Leaves)):
		return wrong(fmt.Sprintf("there are %d leaves, and %d more", r.leaves(), len(u.Leaves)))
	}
	if n := s.syncedOf(r, v); u.N > n {
		return change{}, s.busy(retryAgain, "of copy %s only %d bytes are durable: it was opened again", u.Gen.Short(), n)
	}
	return change{old: r, new: &grown, leaves: u.Leaves}, nil
}

// openFile returns the file of a copy that is open, nil if it is not.
func (s *Store) openFile(id replica.ID) *file {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[id]
}

// newest returns the record of a copy that the caller has claimed, nil if there is
// none. v is its file, if that is open.
func (s *Store) newest(id replica.ID, v *file) (*record, error) {
	if v != nil {
		v.mu.Lock()
		r := v.rec
		v.mu.Unlock()
		if r != nil {
			return r, nil
		}
	}
	return s.record(id)
}

// syncedOf returns of how many bytes of a copy Sync has said that they are, or will
// be, durable.
func (s *Store) syncedOf(r *record, v *file) int64 {
	if v == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		return max(s.durable[r.ID], r.N)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return max(v.synced, v.deferred)
}

// grew notes a commit where the copy is open.
func (s *Store) grew(old, new *record) {
	s.mu.Lock()
	v := s.open[new.ID]
	if s.durable[new.ID] <= new.N {
		delete(s.durable, new.ID)
	}
	s.mu.Unlock()
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rec = new
	if v.gone == nil {
		v.committed = new.N
		s.give(new.Sender, new.N-old.N)
	}
}

// promise keeps open copies from being cut below what is being committed.
func (s *Store) promise(updates []replica.Update, on bool) {
	for _, u := range updates {
		s.mu.Lock()
		v := s.open[u.ID]
		s.mu.Unlock()
		if v == nil {
			continue
		}
		v.mu.Lock()
		v.promised = 0
		if on {
			v.promised = u.N
		}
		v.mu.Unlock()
	}
}
