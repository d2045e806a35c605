package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"sync"

	"fairlead/replica"
	"fairlead/ship/disk"
)

// The log is a file of a fixed size, in which small appends become durable with one
// sync: that of several files, and of the journal, takes longer. Records stand in it
// one behind the other, from its beginning on. Each has a header: magic (8 bytes),
// length of the payload (4), epoch (8), its number in the epoch, from 1 on (8); the
// payload; and the CRC-32C of all that. The payload is a list of entries: sender
// (text), id (16 bytes), offset (U), the bytes (text), the hash of what is then
// behind the last full leaf (32), and those of the leaves that the bytes complete.
//
// The journal's state has the epoch. A record counts if it is of that, and its number
// is the next; the first that is not ends the log.
const (
	logName     = "log"
	logMagic    = "fl-log-1"
	logHeader   = len(logMagic) + 4 + 8 + 8
	defaultLog  = 4 << 20
	maxDeferred = 256 << 10 // bytes that are written, and not durable, above which files are synced instead
)

// A log is the log of a store, and what it has that the journal has not.
//
// Locks are taken in this order: the claim of a copy, placing, a file's writing,
// log.mu, syncing, a file's mu, those of the store, of the journal and of the cache.
type log struct {
	file   *os.File
	size   int64
	around disk.Seam

	mu      sync.Mutex
	epoch   uint64
	number  uint64 // of the last record
	off     int64  // where the next one begins
	pending map[replica.ID]*pending
}

// A pending is what the log has of one copy.
type pending struct {
	v *file
	change
}

// An entry is what a record of the log says of one copy.
type entry struct {
	id     replica.ID
	off    int64
	bytes  []byte
	rest   replica.Hash
	leaves []replica.Hash
}

// end is the length of the copy with these bytes.
func (e *entry) end() int64 { return e.off + int64(len(e.bytes)) }

// appendEntry adds the entry of a change that grows a copy to a payload. read gives
// the bytes.
func appendEntry(b []byte, c *change, read io.ReaderAt) ([]byte, error) {
	b = appendText(b, c.new.Sender)
	b = append(b, c.new.Gen[:]...)
	b = binary.AppendUvarint(b, uint64(c.old.N))
	n := int(c.new.N - c.old.N)
	b = binary.AppendUvarint(b, uint64(n))
	at := len(b)
	b = append(b, make([]byte, n)...)
	if got, err := read.ReadAt(b[at:], c.old.N); got < n {
		return nil, err
	}
	b = append(b, c.new.Rest[:]...)
	for i := range c.leaves {
		b = append(b, c.leaves[i][:]...)
	}
	return b, nil
}

// entry takes one entry. ok is false at the end, and if there is none.
func (d *decoder) entry() (e entry, ok bool) {
	e.id.Sender = d.text()
	d.bytes(e.id.Gen[:])
	e.off = int64(min(d.uint(), 1<<62))
	e.bytes = d.take(int(min(d.uint(), uint64(len(d.b)+1))))
	d.bytes(e.rest[:])
	n := e.end()/replica.LeafSize - e.off/replica.LeafSize
	if d.short || n > int64(len(d.b)/len(replica.Hash{})) {
		return e, false
	}
	e.leaves = make([]replica.Hash, n)
	for i := range e.leaves {
		d.bytes(e.leaves[i][:])
	}
	return e, true
}

// A header is the beginning of a record.
type header struct {
	n             uint32 // bytes of the payload
	epoch, number uint64
}

// put writes a header to where it belongs.
func (h header) put(b []byte) {
	copy(b, logMagic)
	binary.BigEndian.PutUint32(b[8:], h.n)
	binary.BigEndian.PutUint64(b[12:], h.epoch)
	binary.BigEndian.PutUint64(b[20:], h.number)
}

// nextRecord returns the payload of the record that b begins with, and what is
// behind it. ok is false if there is none of that epoch and number.
func nextRecord(b []byte, epoch, number uint64) (payload, behind []byte, ok bool) {
	if len(b) < logHeader || string(b[:len(logMagic)]) != logMagic {
		return nil, nil, false
	}
	end := int64(logHeader) + int64(binary.BigEndian.Uint32(b[8:])) + 4
	if binary.BigEndian.Uint64(b[12:]) != epoch || binary.BigEndian.Uint64(b[20:]) != number || end > int64(len(b)) {
		return nil, nil, false
	}
	record, err := unsealed(nil, b[:end])
	if err != nil {
		return nil, nil, false
	}
	return record[logHeader:], b[end:], true
}

// parseLog returns what a log says in an epoch, in order.
func parseLog(b []byte, epoch uint64) (es []entry) {
	for number := uint64(1); epoch != 0; number++ {
		payload, behind, ok := nextRecord(b, epoch, number)
		if !ok {
			break
		}
		for d := (decoder{b: payload}); len(d.b) > 0; {
			e, ok := d.entry()
			if !ok {
				return es
			}
			es = append(es, e)
		}
		b = behind
	}
	return es
}

// newEpoch returns an epoch that no record has.
func newEpoch() uint64 { return max(1, rand.Uint64()) }

// begin has the log begin anew: no record that is in it counts.
func (l *log) begin(epoch uint64) {
	l.epoch, l.number, l.off = epoch, 0, 0
	l.pending = make(map[replica.ID]*pending)
}

// fits says whether a record of n bytes, its header and checksum among them, can be
// written.
func (l *log) fits(n int) bool { return l.off+int64(n) <= l.size }

// write writes a record durably: b is its payload, with room for the header in front.
// After an error it is not known whether it counts. The caller holds mu.
func (l *log) write(b []byte) error {
	header{uint32(len(b) - logHeader), l.epoch, l.number + 1}.put(b)
	b = sealed(nil, b)
	err := l.around.Do("log", ownDir+"/"+logName, func() error {
		_, err := l.file.WriteAt(b, l.off)
		return err
	})
	if err == nil {
		err = l.sync()
	}
	if err != nil {
		return fmt.Errorf("write log at %d: %w", l.off, err)
	}
	l.number++
	l.off += int64(len(b))
	return nil
}

func (l *log) sync() error {
	return l.around.Do("synclog", ownDir+"/"+logName, func() error { return disk.Datasync(l.file) })
}

// fill makes a log of zeros: so a later sync has no size, and no block, to note.
func (l *log) fill() error {
	err := l.around.Do("log", ownDir+"/"+logName, func() error {
		zeros := make([]byte, 64<<10)
		for off := int64(0); off < l.size; off += int64(len(zeros)) {
			if _, err := l.file.WriteAt(zeros[:min(int64(len(zeros)), l.size-off)], off); err != nil {
				return err
			}
		}
		return l.file.Truncate(l.size)
	})
	if err != nil {
		return err
	}
	return l.sync()
}

// openLogFile opens the file of the log, nil if there is none.
func openLogFile(own *os.Root) (*os.File, error) {
	f, err := own.OpenFile(logName, os.O_RDWR|disk.OpenAsIs, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = &disk.StrangeError{Name: ownDir + "/" + logName, Is: disk.Kind(fi.Mode())}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
