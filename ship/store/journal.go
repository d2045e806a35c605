package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"fairlead/replica"
	"fairlead/ship/disk"
)

const (
	journalName = "journal.db"
	newName     = "journal.db.new"
	lockName    = "lock"
)

// The buckets. Every value ends in the CRC-32C of its key and itself.
var (
	bucketMeta    = []byte("meta")    // state: version, sequence numbers given out, number of records
	bucketRecords = []byte("records") // SENDER 0 GEN: a record
	bucketLeaves  = []byte("leaves")  // sequence number, leaf (8 and 4 bytes): its hash
	bucketPaths   = []byte("paths")   // SENDER 0 PATH 0 sequence number: GEN
	bucketFiles   = []byte("files")   // name of a file: SENDER 0 GEN
	bucketIntents = []byte("intents") // sequence number: an intent

	buckets  = [][]byte{bucketMeta, bucketRecords, bucketLeaves, bucketPaths, bucketFiles, bucketIntents}
	keyState = []byte("state")
)

// errBroken is for a journal of which it is not known any more what it has.
var errBroken = errors.New("journal cannot be written")

// A journal is what is durably known of all copies.
type journal struct {
	db     *bolt.DB
	file   *os.File // that of db
	around disk.Seam

	mu     sync.Mutex // held during an update
	room   int64      // bytes of the file that the disk has given us
	used   int64      // bytes of the file that may have something
	txid   int        // of the last update that was committed
	broken bool       // db panicked, and may hold its locks
}

// openJournal opens the journal in a directory. errDamaged says that it has to be
// made anew.
func openJournal(own *os.Root, name string, around disk.Seam) (*journal, error) {
	j, err := openBolt(own, name, around)
	if err != nil {
		return nil, err
	}
	err = j.update(needs{pages: len(buckets), adds: int64(len(buckets)) * reservePage}, func(tx *bolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		j.close()
		return nil, err
	}
	return j, nil
}

func openBolt(own *os.Root, name string, around disk.Seam) (*journal, error) {
	j := &journal{around: around}
	open := func(_ string, flag int, perm os.FileMode) (*os.File, error) {
		f, err := own.OpenFile(name, flag|disk.OpenAsIs, perm)
		if err != nil {
			return nil, err
		}
		fi, err := f.Stat()
		if err == nil && !fi.Mode().IsRegular() {
			err = &disk.StrangeError{Name: name, Is: disk.Kind(fi.Mode())}
		}
		if err == nil && fi.Size() > 0 {
			err = checkPages(f, fi.Size())
		}
		if err != nil {
			f.Close()
			return nil, err
		}
		j.file, j.room = f, fi.Size()
		return f, nil
	}
	err := j.guarded(func() (err error) {
		j.db, err = bolt.Open(name, 0o600, &bolt.Options{
			Timeout: time.Second, FreelistType: bolt.FreelistMapType, OpenFile: open,
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return j, nil
}

// close closes the journal. Nothing is written.
func (j *journal) close() error {
	if j.db == nil || j.broken {
		return nil // it would wait for itself
	}
	return j.db.Close()
}

// guarded calls f, and makes an error of it if bbolt panics or its mapping has no
// file behind it.
func (j *journal) guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			j.broken = true
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	return f()
}

func (j *journal) view(f func(tx *bolt.Tx) error) error {
	return j.guarded(func() error { return j.db.View(f) })
}

// A reserve is room in the journal's file that is got before it is needed: so a
// full disk is noticed before anything of an update is written. What is pruned may
// use all of it: that is what makes room again.
const (
	reserve     = 256 << 10
	reservePage = 4 << 10 // for each page that an update may touch
)

// needs are what an update may need at the most.
type needs struct {
	pages int   // that it touches
	adds  int64 // bytes that are new
	frees bool  // more than it adds
}

// update makes durable what f does, for which it needs so much. A *replica.BusyError
// says that there is no room, and that nothing was changed; an error of f the same.
// After any other error it is not known what is durable.
func (j *journal) update(n needs, f func(tx *bolt.Tx) error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken {
		return errBroken
	}
	if err := j.reserve(n); err != nil {
		return err
	}
	var refused error
	err := j.guarded(func() error {
		return j.around.Do("commit", journalName, func() error {
			return j.db.Update(func(tx *bolt.Tx) error {
				refused = f(tx)
				return refused
			})
		})
	})
	if refused != nil {
		return refused
	}
	before := j.txid
	if seen := j.view(j.look); seen != nil {
		err = errors.Join(err, seen)
	}
	if err == nil {
		return nil
	}
	// bbolt writes its pages first, then syncs them, and only then writes the one
	// that makes them count. A write that failed for want of room, while that one
	// is as it was, has changed nothing.
	var write *fs.PathError
	if why, ok := disk.Full(err); ok && errors.As(err, &write) && write.Op == "write" && j.txid == before {
		return &replica.BusyError{Why: why, Retry: retryFull}
	}
	return fmt.Errorf("%w: %w", errBroken, err)
}

// look notes how far the last update came.
func (j *journal) look(tx *bolt.Tx) error {
	j.used, j.txid = tx.Size(), tx.ID()
	return nil
}

// reserve gets room for an update beyond what is used: it writes the pages that it
// touches anew, which cannot be more than there are, and what it adds, in pages that
// may be half full. The caller holds mu.
func (j *journal) reserve(n needs) error {
	st := j.db.Stats()
	free := int64(st.FreePageN+st.PendingPageN) * int64(j.db.Info().PageSize)
	most := min(int64(n.pages)*reservePage, j.used-free+2*n.adds)
	end := j.used + max(most-free, 0)
	if !n.frees {
		end += reserve
	}
	if end <= j.room {
		return nil
	}
	end += reserve
	if err := disk.Allocate(j.file, j.room, end); err != nil {
		if why, ok := disk.Full(err); ok {
			return &replica.BusyError{Why: why, Retry: retryFull}
		}
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	if err := j.file.Sync(); err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	j.room = end
	return nil
}

// state is what the journal knows of itself.
type state struct {
	seq     uint64 // the last sequence number given out
	records uint64
	epoch   uint64 // of the log; 0: there is none
}

func readState(tx *bolt.Tx) (state, error) {
	v := tx.Bucket(bucketMeta).Get(keyState)
	if v == nil {
		return state{}, nil
	}
	b, err := unsealed(keyState, v)
	if err != nil {
		return state{}, fmt.Errorf("state: %w", err)
	}
	d := decoder{b: b}
	version, st := d.byte(), state{seq: d.uint(), records: d.uint()}
	if len(d.b) > 0 {
		var epoch [8]byte
		d.bytes(epoch[:])
		st.epoch = binary.BigEndian.Uint64(epoch[:])
	}
	if d.short || version != recordVersion {
		return state{}, fmt.Errorf("state: %w: version %d", errDamaged, version)
	}
	return st, nil
}

func writeState(tx *bolt.Tx, st state) error {
	b := binary.AppendUvarint([]byte{recordVersion}, st.seq)
	b = binary.AppendUvarint(b, st.records)
	if st.epoch != 0 {
		b = binary.BigEndian.AppendUint64(b, st.epoch)
	}
	return tx.Bucket(bucketMeta).Put(keyState, sealed(keyState, b))
}

// epoch returns the epoch of the log, 0 if there is none.
func (j *journal) epoch() (epoch uint64, err error) {
	err = j.view(func(tx *bolt.Tx) error {
		st, err := readState(tx)
		epoch = st.epoch
		return err
	})
	return epoch, err
}

// record returns the record of a copy, nil if there is none.
func (j *journal) record(id replica.ID) (r *record, err error) {
	err = j.view(func(tx *bolt.Tx) error {
		r, err = readRecord(tx, recordKey(id))
		return err
	})
	return r, err
}

func readRecord(tx *bolt.Tx, key []byte) (*record, error) {
	v := tx.Bucket(bucketRecords).Get(key)
	if v == nil {
		return nil, nil
	}
	return decodeRecord(key, v)
}

// leaves returns count hashes of a record's leaves, from first on.
func (j *journal) leaves(r *record, first, count int64) (leaves []replica.Hash, err error) {
	err = j.view(func(tx *bolt.Tx) error {
		leaves, err = readLeaves(tx, r, first, count)
		return err
	})
	return leaves, err
}

func readLeaves(tx *bolt.Tx, r *record, first, count int64) ([]replica.Hash, error) {
	var leaves []replica.Hash
	c := tx.Bucket(bucketLeaves).Cursor()
	for k, v := c.Seek(leafKey(r.seq, first)); int64(len(leaves)) < count; k, v = c.Next() {
		if string(k) != string(leafKey(r.seq, first+int64(len(leaves)))) {
			return nil, fmt.Errorf("%w: leaf %d of %s is missing", errDamaged, first+int64(len(leaves)), r.file)
		}
		b, err := unsealed(k, v)
		if err != nil || len(b) != len(replica.Hash{}) {
			return nil, fmt.Errorf("%w: leaf %d of %s", errDamaged, first+int64(len(leaves)), r.file)
		}
		leaves = append(leaves, replica.Hash(b))
	}
	return leaves, nil
}

// holder returns the record of the copy that has a file, nil if none has.
func (j *journal) holder(file string) (r *record, err error) {
	err = j.view(func(tx *bolt.Tx) error {
		v := tx.Bucket(bucketFiles).Get([]byte(file))
		if v == nil {
			return nil
		}
		key, err := unsealed([]byte(file), v)
		if err != nil {
			return fmt.Errorf("file %s: %w", file, err)
		}
		r, err = readRecord(tx, key)
		return err
	})
	return r, err
}

// under returns the records of a path, the newest first, at most max.
func (j *journal) under(sender string, path []string, max int) (rs []*record, err error) {
	prefix := pathPrefix(sender, path)
	err = j.view(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketPaths).Cursor()
		end := append(prefix[:len(prefix)-1:len(prefix)-1], 1)
		back := c.Prev
		if k, _ := c.Seek(end); k == nil {
			back = c.Last
		}
		for k, v := back(); len(k) == len(prefix)+8 && string(k[:len(prefix)]) == string(prefix) && len(rs) < max; k, v = c.Prev() {
			gen, err := unsealed(k, v)
			if err != nil {
				return fmt.Errorf("path %s: %w", prefix, err)
			}
			r, err := readRecord(tx, append([]byte(sender+"\x00"), gen...))
			if err != nil {
				return err
			}
			if r != nil {
				rs = append(rs, r)
			}
		}
		return nil
	})
	return rs, err
}

// some returns at most max records in the order of their keys, those behind after.
func (j *journal) some(after []byte, max int) (rs []*record, err error) {
	err = j.view(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketRecords).Cursor()
		k, v := c.Seek(after)
		if k != nil && string(k) == string(after) {
			k, v = c.Next()
		}
		for ; k != nil && len(rs) < max; k, v = c.Next() {
			r, err := decodeRecord(k, v)
			if err != nil {
				return err
			}
			rs = append(rs, r)
		}
		return nil
	})
	return rs, err
}
