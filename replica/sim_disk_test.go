package replica_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
	"time"

	"fairlead/replica"
)

// A simDisk is a store whose files have volatile and durable bytes. Write-back is by
// sectors, in any order and torn; a size and a new name are durable only by sync. The
// journal is atomic, and durable when Commit returns.
type simDisk struct {
	s    *sim
	recs map[replica.ID]*simRecord
	ids  []replica.ID // in the order in which they were begun
}

type simRecord struct {
	rec    replica.Record
	leaves []replica.Hash
	ino    *inode // nil: there is no file
	open   *simCopy

	like    []*history // what the volatile bytes are a beginning of
	damaged bool       // by us, on purpose
}

const sector = 512

type inode struct {
	vol, dur []byte
	dirty    map[int]struct{} // sectors that differ, or may
	linked   bool             // its name is durable
}

// touch marks the sectors of [from, to) as not written back.
func (f *inode) touch(from, to int) {
	for i := from / sector; i*sector < to; i++ {
		f.dirty[i] = struct{}{}
	}
}

// back writes a sector back, or the first n bytes of it.
func (f *inode) back(i, n int) {
	from, to := i*sector, min(i*sector+n, len(f.vol))
	if from >= to {
		return
	}
	for len(f.dur) < to {
		f.dur = append(f.dur, make([]byte, to-len(f.dur))...)
	}
	copy(f.dur[from:to], f.vol[from:to])
}

// sync makes all durable.
func (f *inode) sync() {
	for i := range f.dirty {
		f.back(i, sector)
	}
	f.dur = f.dur[:min(len(f.dur), len(f.vol))]
	clear(f.dirty)
	f.linked = true
}

// crash leaves what a power cut leaves.
func (f *inode) crash(s *sim) {
	// The size may have been written back too, or only a part of the way.
	lo, hi := min(len(f.dur), len(f.vol)), max(len(f.dur), len(f.vol))
	size := len(f.dur)
	if hi > lo && s.one(2) {
		size = lo + s.rng.IntN(hi-lo+1)
	}
	for _, i := range slices.Sorted(maps.Keys(f.dirty)) {
		switch s.rng.IntN(3) {
		case 0:
			f.back(i, sector)
		case 1:
			f.back(i, s.rng.IntN(sector))
		}
	}
	if len(f.dur) > size {
		f.dur = f.dur[:size]
	}
	f.dur = append(f.dur, make([]byte, size-len(f.dur))...)
	f.vol = bytes.Clone(f.dur)
	clear(f.dirty)
	f.linked = true
}

// errIO is what the disk says when it is broken for a moment.
var errIO = errors.New("input/output error")

// trouble is an error of the disk, now and then. A crash may come instead.
func (d *simDisk) trouble() error {
	d.s.mayCrash()
	switch {
	case !d.s.faults || !d.s.chance(d.s.w.disk):
		return nil
	case d.s.one(2):
		return &replica.BusyError{Why: "no space left on device", Retry: time.Duration(d.s.rng.IntN(3)) * time.Second}
	}
	return errIO
}

func (d *simDisk) Find(id replica.ID) (replica.Record, []replica.Hash, bool, error) {
	r := d.recs[id]
	if r == nil {
		return replica.Record{}, nil, false, nil
	}
	return r.rec, slices.Clone(r.leaves), true, nil
}

func (d *simDisk) Under(sender string, path []string, head replica.Head, most int) (list []replica.Record, err error) {
	for _, id := range slices.Backward(d.ids) {
		r := d.recs[id]
		if id.Sender != sender || !slices.Equal(r.rec.Path, path) || r.rec.State >= replica.Diverged || len(list) == most {
			continue
		}
		if n := min(head.N, r.rec.N); n == 0 || n < head.N || r.ino == nil || int(n) > len(r.ino.vol) || hashOf(r.ino.vol[:n]) == head.Hash { // it may be damaged
			list = append(list, r.rec)
		}
	}
	return list, nil
}

// Begin leaves some to Open.
func (d *simDisk) Begin(list []replica.New) error {
	for _, n := range list {
		if d.s.rng != nil && d.s.one(4) {
			continue
		}
		d.begun(n.ID).rec.Path = n.Path
		d.s.mayCrash()
	}
	return nil
}

// begun returns the record of a copy, made if need be.
func (d *simDisk) begun(id replica.ID) *simRecord {
	r := d.recs[id]
	if r == nil {
		r = &simRecord{rec: replica.Record{ID: id, Rest: hashOf(nil)}}
		d.recs[id] = r
		d.ids = append(d.ids, id)
	}
	return r
}

func (d *simDisk) Open(id replica.ID, path []string, _ time.Time) (replica.Copy, replica.Record, []replica.Hash, error) {
	fail := func(err error) (replica.Copy, replica.Record, []replica.Hash, error) {
		return nil, replica.Record{}, nil, err
	}
	if err := d.trouble(); err != nil {
		return fail(err)
	}
	r := d.begun(id)
	d.s.mayCrash()
	d.s.say("open-%s-%v", id.Gen.Short(), path)
	if r.rec.State != replica.Open {
		d.s.fail("copy %s is %s, and is opened", id.Gen.Short(), r.rec.State)
	}
	if r.open != nil {
		d.s.fail("copy %s is opened twice", id.Gen.Short())
	}
	r.rec.Path = path
	d.mend(r)
	r.ino.vol = r.ino.vol[:r.rec.N]
	r.ino.touch(int(r.rec.N), int(r.rec.N)+1)
	r.like = d.s.like(r.ino.vol)
	r.open = &simCopy{d: d, r: r, ino: r.ino}
	return r.open, r.rec, slices.Clone(r.leaves), nil
}

// mend sees that a copy has the bytes of its record, or else goes back to those that
// are good.
func (d *simDisk) mend(r *simRecord) {
	if r.ino == nil {
		r.ino = &inode{dirty: make(map[int]struct{})}
		if r.rec.N == 0 {
			return
		}
	}
	full := int64(len(r.leaves)) * replica.LeafSize
	if int64(len(r.ino.vol)) >= r.rec.N && hashOf(r.ino.vol[full:r.rec.N]) == r.rec.Rest {
		return
	}
	if !r.damaged {
		d.s.fail("copy %s: %d bytes are committed, and they are not there", r.rec.Gen.Short(), r.rec.N)
	}
	good := 0
	for good < len(r.leaves) && (good+1)*replica.LeafSize <= len(r.ino.vol) &&
		hashOf(r.ino.vol[good*replica.LeafSize:(good+1)*replica.LeafSize]) == r.leaves[good] {
		good++
	}
	r.leaves, r.rec.N, r.rec.Rest = r.leaves[:good], int64(good)*replica.LeafSize, hashOf(nil)
	kept := bytes.Clone(r.ino.vol[:r.rec.N])
	r.damaged = false
	r.ino = &inode{vol: kept, dur: bytes.Clone(kept), dirty: make(map[int]struct{}), linked: true}
	d.s.count.mended++
}

func (d *simDisk) End(id replica.ID, at time.Time) error {
	d.s.mayCrash()
	r := d.recs[id]
	if r == nil {
		d.s.fail("copy %s has ended, and was never begun", id.Gen.Short())
	}
	if at.IsZero() {
		d.s.fail("copy %s ended at no time", id.Gen.Short())
	}
	if r.rec.Ended.IsZero() {
		r.rec.Ended = at
	}
	d.s.mayCrash()
	return nil
}

func (d *simDisk) Sync(copies []replica.Copy) []error {
	errs := make([]error, len(copies))
	for i, c := range copies {
		c := c.(*simCopy)
		d.s.meanwhile()
		d.s.mayCrash()
		if c.closed {
			d.s.fail("copy %s is synced, and was closed", c.r.rec.Gen.Short())
		}
		if c.failed {
			d.s.fail("copy %s is synced again after that failed", c.r.rec.Gen.Short())
		}
		if d.s.faults && d.s.chance(d.s.w.disk) {
			c.failed, errs[i] = true, errIO
			for _, n := range slices.Sorted(maps.Keys(c.ino.dirty)) {
				if d.s.one(2) {
					c.ino.back(n, d.s.rng.IntN(sector+1))
				}
			}
			clear(c.ino.dirty) // and nobody knows
			continue
		}
		c.ino.sync()
		d.s.count.syncs++
	}
	d.s.meanwhile()
	d.s.mayCrash()
	return errs
}

func (d *simDisk) Rehash(id replica.ID, first int64, count int) ([]replica.Hash, error) {
	r := d.recs[id]
	var t replica.Tree
	t.Write(r.ino.vol[:r.rec.N])
	all := append(slices.Clone(t.Leaves()), t.Rest())
	return all[min(first, int64(len(all))):min(first+int64(count), int64(len(all)))], nil
}

func (d *simDisk) Commit(updates []replica.Update) error {
	d.s.meanwhile()
	d.s.mayCrash()
	switch {
	case !d.s.faults || !d.s.chance(d.s.w.disk):
	case d.s.one(2):
		return &replica.BusyError{Why: "no space left on device for the journal"}
	default:
		if d.s.one(2) {
			d.apply(updates)
		}
		d.s.count.stopped++
		return errIO
	}
	d.apply(updates)
	d.s.meanwhile()
	d.s.mayCrash()
	return nil
}

// apply commits, and looks whether what is said is so.
func (d *simDisk) apply(updates []replica.Update) {
	for _, u := range updates {
		r := d.recs[u.ID]
		name := u.ID.Gen.Short()
		switch {
		case r == nil || r.ino == nil:
			d.s.fail("copy %s is committed, and does not exist", name)
		case u.N < r.rec.N:
			d.s.fail("copy %s shrinks from %d to %d", name, r.rec.N, u.N)
		case r.rec.State != replica.Open:
			d.s.fail("copy %s is %s, and is committed", name, r.rec.State)
		case int64(len(r.ino.dur)) < u.N || !r.ino.linked:
			d.s.fail("copy %s is committed up to %d, and %d are durable", name, u.N, len(r.ino.dur))
		}
		was := r.rec.N
		if !bytes.Equal(r.ino.dur[was:u.N], r.ino.vol[was:u.N]) {
			d.s.fail("copy %s is committed up to %d, and its bytes are not durable", name, u.N)
		}
		r.rec.N, r.rec.Rest, r.rec.State, r.rec.Seal = u.N, u.Rest, u.State, u.Seal
		if r.leaves = append(r.leaves, u.Leaves...); int64(len(r.leaves)) != u.N/replica.LeafSize {
			d.s.fail("copy %s of %d bytes has %d leaves", name, u.N, len(r.leaves))
		}
		if u.State != replica.Open {
			d.sealed(r)
		}
	}
}

// sealed looks at a copy that is over.
func (d *simDisk) sealed(r *simRecord) {
	var t replica.Tree
	t.Write(r.ino.dur[:r.rec.N])
	if r.rec.Seal.Proof != t.Proof() || r.rec.Seal.N != r.rec.N {
		d.s.fail("copy %s is %s with another proof than that of its bytes", r.rec.Gen.Short(), r.rec.State)
	}
	if r.rec.State == replica.Sealed && !d.s.anything && len(d.s.like(r.ino.dur[:r.rec.N])) == 0 {
		d.s.fail("copy %s is sealed, and is no beginning of any file", r.rec.Gen.Short())
	}
}

// crash leaves what is durable.
func (d *simDisk) crash() {
	for _, id := range d.ids {
		r := d.recs[id]
		r.open = nil
		if r.ino == nil {
			continue
		}
		if !r.ino.linked && d.s.one(2) {
			if r.ino = nil; r.rec.N > 0 {
				d.s.fail("copy %s has %d bytes, and its name was never synced", id.Gen.Short(), r.rec.N)
			}
			continue
		}
		r.ino.crash(d.s)
		if d.s.faults && !r.damaged && r.rec.State == replica.Open && r.rec.N > 0 && d.s.chance(d.s.w.damage) {
			d.damage(r)
		}
	}
}

// damage does to the end of a copy what should not be.
func (d *simDisk) damage(r *simRecord) {
	f := r.ino
	from := r.rec.N / replica.LeafSize * replica.LeafSize
	switch {
	case d.s.one(8):
		r.ino = nil
	case d.s.one(2) || from == r.rec.N:
		f.vol = f.vol[:d.s.rng.Int64N(r.rec.N)]
	default:
		f.vol[from+d.s.rng.Int64N(r.rec.N-from)] ^= 1 << d.s.rng.IntN(8)
	}
	r.damaged = true
	f.dur = bytes.Clone(f.vol)
	d.s.count.damaged++
	d.s.damaged(r.rec.ID)
}

// A simCopy is an open copy.
type simCopy struct {
	d      *simDisk
	r      *simRecord
	ino    *inode
	closed bool
	failed bool // its last sync did
}

func (c *simCopy) ReadAt(p []byte, off int64) (int, error) {
	if off > int64(len(c.ino.vol)) {
		return 0, io.EOF
	}
	return bytes.NewReader(c.ino.vol).ReadAt(p, off)
}

func (c *simCopy) WriteAt(p []byte, off int64) (int, error) {
	name := c.r.rec.Gen.Short()
	switch {
	case c.closed || c.r.open != c:
		c.d.s.fail("copy %s is written to, and was closed", name)
	case off != int64(len(c.ino.vol)):
		c.d.s.fail("copy %s has %d bytes, and is written to at %d", name, len(c.ino.vol), off)
	}
	if err := c.d.trouble(); err != nil {
		p = p[:c.d.s.rng.IntN(len(p)+1)]
		c.ino.vol = append(c.ino.vol, p...)
		c.ino.touch(int(off), len(c.ino.vol))
		return len(p), err
	}
	c.ino.vol = append(c.ino.vol, p...)
	c.ino.touch(int(off), len(c.ino.vol))
	c.r.like = slices.DeleteFunc(c.r.like, func(h *history) bool {
		return len(h.bytes) < len(c.ino.vol) || !bytes.Equal(h.bytes[off:len(c.ino.vol)], p)
	})
	if len(c.r.like) == 0 {
		c.r.like = c.d.s.like(c.ino.vol) // one that is younger than the copy
	}
	if len(c.r.like) == 0 && !c.d.s.anything {
		c.d.s.fail("copy %s: what is written at %d is no beginning of any file", name, off)
	}
	c.d.s.count.bytes += int64(len(p))
	return len(p), nil
}

func (c *simCopy) Truncate(n int64) error {
	c.d.s.mayCrash()
	if c.d.s.faults && c.d.s.chance(c.d.s.w.disk) {
		return errIO
	}
	c.ino.vol = c.ino.vol[:n]
	c.ino.touch(int(n), int(n)+1)
	return nil
}

func (c *simCopy) Close() error {
	if c.closed {
		c.d.s.fail("copy %s is closed twice", c.r.rec.Gen.Short())
	}
	c.closed = true
	if c.r.open == c {
		c.r.open = nil
	}
	return nil
}
