package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"time"

	"fairlead/replica"
)

// A record is what the journal has of a copy.
type record struct {
	replica.Record
	seq  uint64 // in the order of creation; its leaves are kept under it
	file string // below the store's directory, with slashes; empty once it is pruned
}

// leaves is how many hashes the record's N has.
func (r *record) leaves() int64 { return r.N / replica.LeafSize }

// growing says that bytes may be added.
func (r *record) growing() bool { return r.State == replica.Open }

// The keys of the journal. A sender has no byte 0, and neither has a path.

func recordKey(id replica.ID) []byte {
	return append(append([]byte(id.Sender), 0), id.Gen[:]...)
}

func parseRecordKey(k []byte) (id replica.ID, ok bool) {
	at := len(k) - len(id.Gen) - 1
	if at < 1 || k[at] != 0 {
		return id, false
	}
	id.Sender = string(k[:at])
	copy(id.Gen[:], k[at+1:])
	return id, checkSender(id.Sender) == nil
}

func pathPrefix(sender string, path []string) []byte {
	return append([]byte(sender+"\x00"+strings.Join(path, "/")), 0)
}

func pathKey(r *record) []byte {
	return binary.BigEndian.AppendUint64(pathPrefix(r.Sender, r.Path), r.seq)
}

func leafKey(seq uint64, leaf int64) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, seq), uint32(leaf))
}

func leafOwner(key []byte) uint64 { return binary.BigEndian.Uint64(key) }

const recordVersion = 1

const (
	hasEnded = 1 << iota
	hasSeal
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sealed returns a value of the journal with the CRC-32C of key and value behind it.
func sealed(key, value []byte) []byte {
	sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
	return binary.BigEndian.AppendUint32(value, sum)
}

// unsealed is the opposite.
func unsealed(key, value []byte) ([]byte, error) {
	n := len(value) - 4
	if n < 0 {
		return nil, fmt.Errorf("%w: %d bytes are no value", errDamaged, len(value))
	}
	sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value[:n])
	if sum != binary.BigEndian.Uint32(value[n:]) {
		return nil, fmt.Errorf("%w: wrong checksum", errDamaged)
	}
	return value[:n], nil
}

// errDamaged is for a journal that is not as it was written.
var errDamaged = errors.New("journal is damaged")

// encode returns the value of a record.
func (r *record) encode() []byte {
	b := []byte{recordVersion, 0, byte(r.State)}
	b = binary.AppendUvarint(b, r.seq)
	b = binary.AppendUvarint(b, uint64(r.N))
	b = append(b, r.Rest[:]...)
	b = appendText(b, r.file)
	b = appendText(b, strings.Join(r.Path, "/"))
	if !r.Ended.IsZero() {
		b[1] |= hasEnded
		b = binary.AppendVarint(b, r.Ended.Unix())
		b = binary.AppendUvarint(b, uint64(r.Ended.Nanosecond()))
	}
	if r.Seal != (replica.Seal{}) {
		b[1] |= hasSeal
		b = binary.AppendUvarint(b, uint64(r.Seal.N))
		b = append(b, r.Seal.Proof[:]...)
		b = binary.AppendUvarint(b, uint64(r.Seal.Size))
		b = append(b, byte(r.Seal.Reason))
	}
	return sealed(recordKey(r.ID), b)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decodeRecord is the opposite of encode.
func decodeRecord(key, value []byte) (*record, error) {
	id, ok := parseRecordKey(key)
	if !ok {
		return nil, fmt.Errorf("%w: %.40x is no key of a record", errDamaged, key)
	}
	b, err := unsealed(key, value)
	if err != nil {
		return nil, fmt.Errorf("record of %s %s: %w", id.Sender, id.Gen, err)
	}
	d := decoder{b: b}
	version, flags := d.byte(), d.byte()
	r := &record{Record: replica.Record{ID: id, State: replica.State(d.byte())}}
	r.seq, r.N = d.uint(), int64(d.uint())
	d.bytes(r.Rest[:])
	r.file = d.text()
	r.Path = strings.Split(d.text(), "/")
	if flags&hasEnded != 0 {
		sec, nsec := d.int(), d.uint()
		r.Ended = time.Unix(sec, int64(nsec%1e9)).UTC()
	}
	if flags&hasSeal != 0 {
		r.Seal.N = int64(d.uint())
		d.bytes(r.Seal.Proof[:])
		r.Seal.Size = int64(d.uint())
		r.Seal.Reason = replica.Reason(d.byte())
	}
	if d.short || len(d.b) > 0 || version != recordVersion || r.N < 0 || r.State > replica.Pruned {
		return nil, fmt.Errorf("record of %s %s: %w: version %d", id.Sender, id.Gen, errDamaged, version)
	}
	return r, nil
}

// A decoder takes a value apart; short says that there was too little.
type decoder struct {
	b     []byte
	short bool
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.b, d.short = nil, true
		return nil
	}
	p := d.b[:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) byte() byte {
	if p := d.take(1); p != nil {
		return p[0]
	}
	return 0
}

func (d *decoder) bytes(to []byte) { copy(to, d.take(len(to))) }

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		n = -1
	}
	d.take(n)
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		n = -1
	}
	d.take(n)
	return v
}

func (d *decoder) text() string {
	n := d.uint()
	return string(d.take(int(min(n, uint64(len(d.b)+1)))))
}
