package store

import (
	"encoding/binary"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"fairlead/replica"
)

// A change is what an update of the journal does to one copy.
type change struct {
	old, new *record        // old is nil for a new copy, whose sequence number is given out
	leaves   []replica.Hash // of new, behind those that both have
	intent   *intent        // what is to be done with the file; nil: nothing, any more
}

// pages is how many pages a change may touch, about: leaves are side by side, and
// pages of which nothing is left are not written.
func (c *change) pages() int {
	n := 4 + len(c.leaves)/16
	if c.old != nil {
		n += int(max(0, c.old.leaves()-c.new.leaves()) / 512)
	}
	return n
}

// bytes is how many a change may add, about: the names are in the record, and keys
// of others.
func (c *change) bytes() int64 {
	n := 512 + 80*len(c.leaves) + 3*len(c.new.Sender) + 3*len(c.new.file)
	for _, part := range c.new.Path {
		n += 2 * len(part)
	}
	if i := c.intent; i != nil {
		n += len(i.from) + 2*len(i.to) + len(i.with)
	}
	return int64(n)
}

// An intent says what is being done with the file of a copy, so that it is finished
// if we are killed meanwhile.
type intent struct {
	id    replica.ID
	what  purpose
	from  string    // the file
	to    string    // its name afterwards
	with  string    // mend: the file that takes its name
	keep  int64     // mend: how many of its bytes are good
	ended time.Time // end: when the generation ended
}

// A purpose is what an intent is for.
type purpose uint8

const (
	_    purpose = iota
	end          // a generation ended: from becomes to
	mend         // a file is damaged: from becomes to, and with becomes from
)

func (i *intent) encode(key []byte) []byte {
	b := append([]byte{recordVersion, byte(i.what)}, i.id.Gen[:]...)
	for _, s := range []string{i.id.Sender, i.from, i.to, i.with} {
		b = appendText(b, s)
	}
	b = binary.AppendUvarint(b, uint64(i.keep))
	b = binary.AppendVarint(b, i.ended.Unix())
	b = binary.AppendUvarint(b, uint64(i.ended.Nanosecond()))
	return sealed(key, b)
}

func decodeIntent(key, value []byte) (*intent, error) {
	b, err := unsealed(key, value)
	if err != nil {
		return nil, fmt.Errorf("intent: %w", err)
	}
	d := decoder{b: b}
	version := d.byte()
	i := &intent{what: purpose(d.byte())}
	d.bytes(i.id.Gen[:])
	i.id.Sender, i.from, i.to, i.with = d.text(), d.text(), d.text(), d.text()
	i.keep = int64(d.uint())
	sec, nsec := d.int(), d.uint()
	i.ended = time.Unix(sec, int64(nsec%1e9)).UTC()
	if d.short || len(d.b) > 0 || version != recordVersion || i.what != end && i.what != mend {
		return nil, fmt.Errorf("intent: %w: version %d", errDamaged, version)
	}
	return i, nil
}

// needsOf is what changes need.
func needsOf(cs []change) needs {
	n := needs{pages: 8, adds: 8 * reservePage, frees: true} // what leads to them, and the list of free ones
	for i := range cs {
		n.pages += cs[i].pages()
		n.adds += cs[i].bytes()
		n.frees = n.frees && cs[i].new.State == replica.Pruned
	}
	return n
}

// secure gets the room that changes will need: as long as no others are made they
// are not refused for want of it. The errors are those of update.
func (j *journal) secure(cs []change) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken {
		return errBroken
	}
	return j.reserve(needsOf(cs))
}

// change makes changes durable, all of them or none, and with them the epoch of the
// log, unless that is 0. The errors are those of update.
func (j *journal) change(cs []change, epoch uint64) error {
	return j.update(needsOf(cs), func(tx *bolt.Tx) error {
		st, err := readState(tx)
		if err != nil {
			return err
		}
		was := st
		if epoch != 0 {
			st.epoch = epoch
		}
		for i := range cs {
			c := &cs[i]
			if c.old == nil {
				st.seq++
				st.records++
				c.new.seq = st.seq
			}
			if err := c.apply(tx); err != nil {
				return err
			}
		}
		if st == was {
			return nil
		}
		return writeState(tx, st)
	})
}

func (c *change) apply(tx *bolt.Tx) error {
	key := recordKey(c.new.ID)
	if err := tx.Bucket(bucketRecords).Put(key, c.new.encode()); err != nil {
		return err
	}
	if err := c.applyPath(tx); err != nil {
		return err
	}
	if err := c.applyFiles(tx, key); err != nil {
		return err
	}
	return c.applyLeaves(tx)
}

// applyPath keeps the list of copies by path.
func (c *change) applyPath(tx *bolt.Tx) error {
	paths, now := tx.Bucket(bucketPaths), pathKey(c.new)
	if c.old != nil {
		was := pathKey(c.old)
		if string(was) == string(now) {
			return nil
		}
		if err := paths.Delete(was); err != nil {
			return err
		}
	}
	return paths.Put(now, sealed(now, append([]byte(nil), c.new.Gen[:]...)))
}

// applyFiles keeps the list of copies by the name of their file. A name that an
// intent is about to give is taken as well.
func (c *change) applyFiles(tx *bolt.Tx, key []byte) error {
	var was, now []string
	intents, at := tx.Bucket(bucketIntents), binary.BigEndian.AppendUint64(nil, c.new.seq)
	if v := intents.Get(at); v != nil {
		i, err := decodeIntent(at, v)
		if err != nil {
			return err
		}
		was = append(was, i.to)
	}
	if c.old != nil {
		was = append(was, c.old.file)
	}
	now = append(now, c.new.file)
	if c.intent != nil {
		now = append(now, c.intent.to)
		if err := intents.Put(at, c.intent.encode(at)); err != nil {
			return err
		}
	} else if err := intents.Delete(at); err != nil {
		return err
	}
	files := tx.Bucket(bucketFiles)
	for _, name := range was {
		if name != "" {
			if err := files.Delete([]byte(name)); err != nil {
				return err
			}
		}
	}
	for _, name := range now {
		if name == "" {
			continue
		}
		if err := files.Put([]byte(name), sealed([]byte(name), append([]byte(nil), key...))); err != nil {
			return err
		}
	}
	return nil
}

func (c *change) applyLeaves(tx *bolt.Tx) error {
	b, first, n := tx.Bucket(bucketLeaves), int64(0), c.new.leaves()
	if c.new.State == replica.Pruned {
		n = 0
	}
	if c.old != nil && c.old.State != replica.Pruned {
		first = min(c.old.leaves(), n)
		for i := n; i < c.old.leaves(); i++ {
			if err := b.Delete(leafKey(c.new.seq, i)); err != nil {
				return err
			}
		}
	}
	if int64(len(c.leaves)) != n-first {
		return fmt.Errorf("change record of %s: %d leaves from %d on, and %d bytes", c.new.Gen, len(c.leaves), first, c.new.N)
	}
	for i, h := range c.leaves {
		k := leafKey(c.new.seq, first+int64(i))
		if err := b.Put(k, sealed(k, append([]byte(nil), h[:]...))); err != nil {
			return err
		}
	}
	return nil
}

// intentOf returns what was begun with the file of a copy, nil if nothing was.
func (j *journal) intentOf(r *record) (i *intent, err error) {
	err = j.view(func(tx *bolt.Tx) error {
		key := binary.BigEndian.AppendUint64(nil, r.seq)
		if v := tx.Bucket(bucketIntents).Get(key); v != nil {
			i, err = decodeIntent(key, v)
		}
		return err
	})
	return i, err
}

// intents returns what was begun and not finished.
func (j *journal) intents() (is []*intent, err error) {
	err = j.view(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketIntents).ForEach(func(k, v []byte) error {
			i, err := decodeIntent(k, v)
			if err != nil {
				return err
			}
			is = append(is, i)
			return nil
		})
	})
	return is, err
}
