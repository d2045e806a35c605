package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
)

// bbolt trusts its file: a damaged page makes it panic, read behind the end of its
// mapping, which ends the process, or go round in circles. So before it is given a
// file every page that it could come to is looked at, with ordinary reads.
//
// The format, version 2, in the machine's byte order. A page begins with its number
// (8 bytes), flags (2), count (2) and how many pages more it has (4). A branch has
// count elements: position (4), key's length (4), page (8); a leaf: flags (4),
// position (4), lengths of key and value (4, 4). A position counts from the element.
// The value of a bucket is the number of its first page (8) and a sequence (8); if
// the number is 0 the page follows. Pages 0 and 1 are the metas: magic, version,
// page size, flags (4 each), the root bucket (16), the pages of the freelist and of
// the end (8, 8), a transaction (8), and the FNV-1a of all that.
const (
	pageHeader = 16
	metaSize   = 64
	boltMagic  = 0xED0CDAED

	branchPage   = 0x01
	leafPage     = 0x02
	freelistPage = 0x10
	bucketLeaf   = 0x01
)

var native = binary.NativeEndian

// A pageWalk looks at the pages of one file.
type pageWalk struct {
	f    io.ReaderAt
	size int64 // of a page
	end  uint64
	seen []uint64 // bits, by page
}

// checkPages returns nil if bbolt can read the file, of size bytes.
func checkPages(f io.ReaderAt, size int64) error {
	meta, page, err := newestMeta(f, size)
	if err != nil {
		return err
	}
	root, free, end := native.Uint64(meta[16:]), native.Uint64(meta[32:]), native.Uint64(meta[40:])
	if end > uint64(size/page) {
		return fmt.Errorf("%w: it ends at page %d of %d", errDamaged, size/page, end)
	}
	w := &pageWalk{f: f, size: page, end: end, seen: make([]uint64, end/64+1)}
	w.seen[0] = 3 // the metas
	if err := w.tree(root, nil, nil, 0); err != nil {
		return err
	}
	return w.freelist(free)
}

// newestMeta returns the meta that counts, and how large a page is.
func newestMeta(f io.ReaderAt, size int64) (meta []byte, page int64, err error) {
	for page := int64(1 << 10); page <= 1<<16; page <<= 1 {
		var best []byte
		for _, at := range []int64{0, page} {
			b := make([]byte, metaSize)
			if at+page > size {
				continue
			}
			if _, err := f.ReadAt(b, at+pageHeader); err != nil {
				return nil, 0, err
			}
			sum := fnv.New64a()
			sum.Write(b[:56])
			whole := native.Uint32(b) == boltMagic && native.Uint32(b[4:]) == 2 &&
				int64(native.Uint32(b[8:])) == page && native.Uint64(b[56:]) == sum.Sum64()
			if whole && (best == nil || native.Uint64(b[48:]) > native.Uint64(best[48:])) {
				best = b
			}
		}
		if best != nil {
			return best, page, nil
		}
	}
	return nil, 0, fmt.Errorf("%w: it has no beginning", errDamaged)
}

// page reads page id with all that belongs to it, which nothing else may.
func (w *pageWalk) page(id uint64) ([]byte, error) {
	if id < 2 || id >= w.end {
		return nil, fmt.Errorf("%w: there is no page %d", errDamaged, id)
	}
	var head [pageHeader]byte
	if _, err := w.f.ReadAt(head[:], int64(id)*w.size); err != nil {
		return nil, err
	}
	more := uint64(native.Uint32(head[12:]))
	if native.Uint64(head[:]) != id || more >= w.end-id {
		return nil, fmt.Errorf("%w: page %d is another", errDamaged, id)
	}
	for i := id; i <= id+more; i++ {
		if err := w.see(i); err != nil {
			return nil, err
		}
	}
	p := make([]byte, int64(more+1)*w.size)
	if _, err := w.f.ReadAt(p, int64(id)*w.size); err != nil {
		return nil, err
	}
	return p, nil
}

// see says that a page is in use.
func (w *pageWalk) see(id uint64) error {
	if w.seen[id/64]&(1<<(id%64)) != 0 {
		return fmt.Errorf("%w: page %d is used twice", errDamaged, id)
	}
	w.seen[id/64] |= 1 << (id % 64)
	return nil
}

// maxTree is deeper than any tree of pages is.
const maxTree = 64

// tree looks at a page and all below it: its keys are from low on and below high.
func (w *pageWalk) tree(id uint64, low, high []byte, depth int) error {
	if depth > maxTree {
		return fmt.Errorf("%w: page %d is too deep", errDamaged, id)
	}
	p, err := w.page(id)
	if err != nil {
		return err
	}
	return w.node(p, low, high, depth)
}

// node looks at a page that was read, or that stands in the value of a bucket.
func (w *pageWalk) node(p, low, high []byte, depth int) error {
	if len(p) < pageHeader || depth > maxTree {
		return fmt.Errorf("%w: no page", errDamaged)
	}
	flags, count := native.Uint16(p[8:]), int(native.Uint16(p[10:]))
	if flags != leafPage && (flags != branchPage || count == 0) ||
		pageHeader+16*count > len(p) {
		return fmt.Errorf("%w: page of kind %d with %d elements", errDamaged, flags, count)
	}
	keys := make([][]byte, count)
	for i := range keys {
		at := pageHeader + 16*i
		pos, n := native.Uint32(p[at:]), native.Uint32(p[at+4:])
		if flags == leafPage {
			pos, n = native.Uint32(p[at+4:]), native.Uint32(p[at+8:])
		}
		key := part(p[at:], pos, n)
		if key == nil || i == 0 && low != nil && bytes.Compare(key, low) < 0 ||
			i > 0 && bytes.Compare(key, keys[i-1]) <= 0 || high != nil && bytes.Compare(key, high) >= 0 {
			return fmt.Errorf("%w: key %d of a page is out of order", errDamaged, i)
		}
		keys[i] = key
	}
	for i, key := range keys {
		at := pageHeader + 16*i
		if flags == branchPage {
			to := high
			if i+1 < count {
				to = keys[i+1]
			}
			if err := w.tree(native.Uint64(p[at+8:]), key, to, depth+1); err != nil {
				return err
			}
			continue
		}
		pos, n := uint64(native.Uint32(p[at+4:]))+uint64(len(key)), native.Uint32(p[at+12:])
		value := part(p[at:], uint32(min(pos, 1<<32-1)), n)
		if value == nil {
			return fmt.Errorf("%w: a value is outside its page", errDamaged)
		}
		if native.Uint32(p[at:])&bucketLeaf != 0 {
			if err := w.bucket(value, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

// part returns n bytes of p from pos on, nil if it has not so many.
func part(p []byte, pos, n uint32) []byte {
	if uint64(pos)+uint64(n) > uint64(len(p)) {
		return nil
	}
	return p[pos : pos+n : pos+n]
}

func (w *pageWalk) bucket(value []byte, depth int) error {
	if len(value) < 16 {
		return fmt.Errorf("%w: a bucket of %d bytes", errDamaged, len(value))
	}
	if root := native.Uint64(value); root != 0 {
		return w.tree(root, nil, nil, depth+1)
	}
	return w.node(value[16:], nil, nil, depth+1)
}

// freelist looks at the list of pages that are not in use.
func (w *pageWalk) freelist(id uint64) error {
	p, err := w.page(id)
	if err != nil {
		return err
	}
	count, ids := uint64(native.Uint16(p[10:])), p[pageHeader:]
	if count == 0xFFFF {
		count, ids = native.Uint64(ids), ids[8:]
	}
	if native.Uint16(p[8:]) != freelistPage || count > uint64(len(ids)/8) {
		return fmt.Errorf("%w: no list of free pages", errDamaged)
	}
	last := uint64(1)
	for i := range count {
		id := native.Uint64(ids[8*i:])
		if id <= last || id >= w.end {
			return fmt.Errorf("%w: page %d cannot be free", errDamaged, id)
		}
		if err := w.see(id); err != nil {
			return err
		}
		last = id
	}
	return nil
}
