package store

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/logfile"
	"fairlead/replica"
	"fairlead/ship/disk"
)

// Options are the settings of a store. The zero Options are useful.
type Options struct {
	Mode  fs.FileMode // of files: 0600. Directories let those in who may read files
	Group string      // that files belong to, a name or number; empty: the one that the system gives

	HighWater float64                   // part of the disk above which nothing is accepted: 0.95; 1 and more: never
	Quota     func(sender string) Quota // nil: there are none
	Keep      time.Duration             // how long an ended copy stays: for ever
	KeepBytes int64                     // how much the ended copies may take together: no limit
	MaxOpen   int                       // idle descriptors held: a quarter of the limit, at most 1024

	// Told is called after each durable change of a record: it began, grew, ended,
	// was sealed or pruned, has another path. It is not called for two changes of
	// one copy at once, and does not call the store. file is the copy's path, empty
	// if it is pruned.
	Told func(rec replica.Record, file string)

	Now func() time.Time // nil: time.Now

	around  disk.Seam
	logSize int64 // bytes of the log: 4 MiB; negative: there is none
}

// A Quota limits what one sender may have. Zero: no limit.
type Quota struct {
	Bytes int64
	Files int
}

func (o Options) filled() Options {
	o.Mode = cmp.Or(o.Mode.Perm(), 0o600)
	if o.HighWater <= 0 {
		o.HighWater = 0.95
	}
	if o.MaxOpen <= 0 {
		o.MaxOpen = max(1, min(1024, disk.DescriptorLimit()/4))
	}
	o.logSize = cmp.Or(o.logSize, defaultLog)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Told == nil {
		o.Told = func(replica.Record, string) {}
	}
	return o
}

// When to ask again.
const (
	retryFull    = 5 * time.Second  // the disk is full
	retryAgain   = time.Second      // what is wrong is about to pass
	retryQuota   = time.Minute      // somebody has to make room
	retryRefused = 10 * time.Minute // somebody has to look at it
)

// ErrStopped is what errors.Is finds in every error of a store that cannot go on:
// its journal could not be written, so it is not known what is durable.
var ErrStopped = replica.ErrStopped

// A Store is a [replica.Store] in a directory.
type Store struct {
	o       Options
	disk    *disk.Dir
	own     *os.Root
	lock    *os.File
	journal *journal
	log     *log // nil: there is none
	cache   cache
	limits  limits
	trouble trouble

	stopped atomic.Pointer[error]
	closed  atomic.Bool
	placing sync.Mutex // held from finding a free name until it is in the journal

	syncing sync.Mutex // held while files are synced: a second sync of one might say that all is well
	tells   bool       // syncfs can be asked for all at once

	mu      sync.Mutex
	freed   *sync.Cond             // a claim was given back
	claims  map[replica.ID]bool    // copies at which somebody is at work; true: it opens one
	open    map[replica.ID]*file   // those that Open returned, until they are closed
	durable map[replica.ID]int64   // length of those that were synced and closed, if it is not committed
	failed  map[replica.ID]failure // fsyncs in a row
	counts  Stats
}

var _ replica.Store = (*Store)(nil)

// Open opens the store in a directory, which it makes if there is none, and
// finishes what was begun before a crash. A journal that is missing or damaged is
// made anew from the files, which reads all of them.
func Open(dir string, o Options) (*Store, error) {
	o = o.filled()
	s := &Store{
		o:       o,
		cache:   newCache(o.MaxOpen),
		claims:  make(map[replica.ID]bool),
		open:    make(map[replica.ID]*file),
		durable: make(map[replica.ID]int64),
		failed:  make(map[replica.ID]failure),
	}
	s.freed = sync.NewCond(&s.mu)
	if err := s.start(dir); err != nil {
		s.letGo()
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	return s, nil
}

func (s *Store) start(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if s.disk, err = disk.Open(dir, s.o.Mode, s.o.Group, s.o.around); err != nil {
		return err
	}
	s.tells = s.disk.SyncAllTells()
	known, err := s.lockDir()
	if err != nil {
		return err
	}
	if err := s.openJournal(known); err != nil {
		return err
	}
	if err := s.openLog(); err != nil {
		return err
	}
	if err := s.finishAll(); err != nil {
		return err
	}
	return s.lookAtAll()
}

// lockDir makes sure that nobody else writes here. known says that somebody has.
func (s *Store) lockDir() (known bool, err error) {
	err = s.disk.Root.Mkdir(ownDir, 0o700)
	known = errors.Is(err, fs.ErrExist)
	if err != nil && !known {
		return false, err
	}
	if s.own, _, err = s.disk.Sub(ownDir+"/"+lockName, false); err != nil {
		return false, err
	}
	if s.lock, err = s.own.OpenFile(lockName, os.O_RDWR|os.O_CREATE|disk.OpenAsIs, 0o600); err != nil {
		return false, err
	}
	return known, logfile.Lock(s.lock, s.disk.Path, "use another directory")
}

// Close closes the store, and puts into the journal what only the log has. It makes
// nothing durable that was not; what was not committed may be lost.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	var late error
	if s.alive() == nil {
		late = s.current()
	}
	err := fmt.Errorf("%w: it was closed", ErrStopped)
	s.stopped.CompareAndSwap(nil, &err)
	s.mu.Lock()
	open := s.open
	s.open = make(map[replica.ID]*file)
	s.mu.Unlock()
	for _, v := range open {
		s.retire(v, err)
	}
	return errors.Join(late, s.letGo())
}

func (s *Store) letGo() error {
	var errs []error
	if s.log != nil {
		errs = append(errs, s.log.file.Close())
	}
	if s.journal != nil {
		errs = append(errs, s.journal.close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	if s.own != nil {
		errs = append(errs, s.own.Close())
	}
	if s.disk != nil {
		errs = append(errs, s.disk.Close())
	}
	return errors.Join(errs...)
}

// alive returns why the store has stopped, nil if it has not.
func (s *Store) alive() error {
	if err := s.stopped.Load(); err != nil {
		return *err
	}
	return nil
}

// stop ends the store: every later call returns the error.
func (s *Store) stop(cause error) error {
	err := fmt.Errorf("%w: %w", ErrStopped, cause)
	if s.stopped.CompareAndSwap(nil, &err) {
		s.problem("", cause.Error(), "look at the disk, then start again: what was acknowledged is kept")
	}
	return s.alive()
}

// checked is for errors of the journal: the store ends with it.
func (s *Store) checked(err error) error {
	if errors.Is(err, errBroken) || errors.Is(err, errDamaged) {
		return s.stop(err)
	}
	return err
}

// settledRecord returns the record of a copy, nil if there is none. What was begun
// with its file is finished. The caller has claimed it.
func (s *Store) settledRecord(id replica.ID) (*record, error) {
	r, err := s.record(id)
	if err != nil || r == nil {
		return nil, err
	}
	i, err := s.journal.intentOf(r)
	if err = s.checked(err); err != nil || i == nil {
		return r, err
	}
	return s.finish(r, i)
}

// record returns the record of a copy, nil if there is none.
func (s *Store) record(id replica.ID) (*record, error) {
	if err := s.current(); err != nil {
		return nil, err
	}
	r, err := s.journal.record(id)
	return r, s.checked(err)
}

// holder returns the record of the copy that has a file, nil if none has.
func (s *Store) holder(file string) (*record, error) {
	if err := s.current(); err != nil {
		return nil, err
	}
	r, err := s.journal.holder(file)
	return r, s.checked(err)
}

// some returns at most max records in the order of their keys, those behind after.
func (s *Store) some(after []byte, max int) ([]*record, error) {
	if err := s.current(); err != nil {
		return nil, err
	}
	rs, err := s.journal.some(after, max)
	return rs, s.checked(err)
}

// change makes changes durable, counts them, and tells of them.
func (s *Store) change(cs ...change) error {
	if err := s.alive(); err != nil {
		return err
	}
	if err := s.put(cs); err != nil {
		return err
	}
	s.tell(cs)
	return nil
}

// tell counts changes that are durable, and tells of them.
func (s *Store) tell(cs []change) {
	for i := range cs {
		s.account(cs[i].old, cs[i].new)
	}
	for i := range cs {
		if cs[i].intent == nil {
			s.o.Told(cs[i].new.Record, s.pathOf(cs[i].new))
		}
	}
}

// pathOf returns where the file of a copy is.
func (s *Store) pathOf(r *record) string {
	if r.file == "" || r.State == replica.Pruned {
		return ""
	}
	return filepath.Join(s.disk.Path, filepath.FromSlash(r.file))
}

// claim waits until nobody else is at work at a copy, and keeps others off it.
func (s *Store) claim(id replica.ID, opening bool) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if _, taken := s.claims[id]; !taken {
			break
		}
		s.freed.Wait()
	}
	s.claims[id] = opening
	return func() { s.release(id) }
}

func (s *Store) release(ids ...replica.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.claims, id)
	}
	if len(s.claims) == 0 && len(ids) > 100 {
		s.claims = make(map[replica.ID]bool) // a map that was large stays so
	}
	s.freed.Broadcast()
}

// claimAll is claim for several copies at once. It does not wait for one that is
// being opened, which may take long: ok is false then, and who.
func (s *Store) claimAll(ids []replica.ID) (who replica.ID, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
again:
	for _, id := range ids {
		opening, taken := s.claims[id]
		if opening {
			return id, false
		}
		if taken {
			s.freed.Wait()
			goto again
		}
	}
	for _, id := range ids {
		s.claims[id] = false
	}
	return replica.ID{}, true
}

// All yields every record and the path of its file, for a start and for listings.
// It may be stopped, and the store be used meanwhile: what changes then is seen as
// it was before or after.
func (s *Store) All(yield func(rec replica.Record, file string) bool) {
	var after []byte
	for {
		rs, err := s.some(after, 1000)
		if err != nil || len(rs) == 0 {
			return
		}
		for _, r := range rs {
			if !yield(r.Record, s.pathOf(r)) {
				return
			}
		}
		after = recordKey(rs[len(rs)-1].ID)
	}
}

// Find returns the record of a copy, and the hashes of its full leaves.
func (s *Store) Find(id replica.ID) (rec replica.Record, leaves []replica.Hash, ok bool, err error) {
	r, err := s.record(id)
	if err != nil || r == nil {
		return replica.Record{}, nil, false, err
	}
	leaves, err = s.leavesOf(r)
	if err != nil {
		return replica.Record{}, nil, false, err
	}
	return r.Record, leaves, true, nil
}

// leavesOf returns the hashes of all full leaves of a record.
func (s *Store) leavesOf(r *record) ([]replica.Hash, error) {
	if r.State == replica.Pruned {
		return nil, nil
	}
	return s.leavesAt(r, 0, r.leaves())
}
