//go:build linux

package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"fairlead/bench/measure"
	"fairlead/replica"
)

// The limit is what `fairlead ship` is measured against: what both ends must do with each byte, in
// one process, on all cores, without a connection between them. A worker takes a leaf (1 MiB) at a
// time and does, in pieces of 256 KiB as a DATA has:
//
//	sender    SHA-256 of the leaf; CRC32C of the piece, and of the frame around it;
//	          AES-128-GCM, in the 16 KiB records of TLS: the cipher that two Fairleads agree on
//	receiver  the same opened; CRC32C of the frame, and of the piece; SHA-256 of the leaf;
//	          write(2) to the copy
//
// At the end there is one fdatasync. It leaves out whatever a connection owes: reading the source
// (which is mapped), sockets, frames, acknowledgements, the journal and its fsyncs.

// recordSize is how many bytes TLS seals at once.
const recordSize = 16 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// aloneJob is for a role that works without a connection.
type aloneJob struct{ Source, Copy string }

type aloneResult struct{ Took, CPU time.Duration }

// alone is the life of such a role: work fills the copy with what is in memory, and it is made
// durable.
func alone(in *json.Decoder, out *json.Encoder, work func(dup *os.File, source []byte) error) error {
	var job aloneJob
	if err := in.Decode(&job); err != nil {
		return fmt.Errorf("read job: %w", err)
	}
	source, err := mapFile(job.Source)
	if err != nil {
		return fmt.Errorf("map %s: %w", job.Source, err)
	}
	dup, err := os.Create(job.Copy)
	if err != nil {
		return err
	}
	defer dup.Close()
	before, err := measure.OwnCPU()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := work(dup, source); err != nil {
		return err
	}
	if err := unix.Fdatasync(int(dup.Fd())); err != nil {
		return fmt.Errorf("make copy durable: %w", err)
	}
	took := time.Since(began)
	after, err := measure.OwnCPU()
	return errors.Join(err, out.Encode(aloneResult{took, after - before}))
}

// mapFile returns the bytes of a file as they lie in the page cache.
func mapFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return unix.Mmap(int(f.Fd()), 0, int(fi.Size()), unix.PROT_READ, unix.MAP_SHARED|unix.MAP_POPULATE)
}

// disk is the role of the disk alone.
func disk(in *json.Decoder, out *json.Encoder) error {
	return alone(in, out, func(dup *os.File, source []byte) error {
		for block := range slices.Chunk(source, replica.LeafSize) {
			if _, err := dup.Write(block); err != nil {
				return err
			}
		}
		return nil
	})
}

// limit is the role of the limit.
func limit(in *json.Decoder, out *json.Encoder) error {
	return alone(in, out, func(dup *os.File, source []byte) error {
		var taken atomic.Int64
		var all errgroup.Group
		for range runtime.GOMAXPROCS(0) {
			all.Go(func() error {
				w, err := newBothEnds()
				for err == nil {
					off := taken.Add(replica.LeafSize) - replica.LeafSize
					if off >= int64(len(source)) {
						return nil
					}
					err = w.leaf(dup, off, source[off:min(off+replica.LeafSize, int64(len(source)))])
				}
				return err
			})
		}
		return all.Wait()
	})
}

// bothEnds does the work of both.
type bothEnds struct {
	gcm     cipher.AEAD
	nonce   [12]byte
	records uint64
	sealed  []byte // one record
	piece   []byte // as it was opened
}

func newBothEnds() (*bothEnds, error) {
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	return &bothEnds{gcm: gcm, piece: make([]byte, 0, replica.MaxPiece)}, err
}

// leaf brings one leaf to its place in the copy.
func (w *bothEnds) leaf(dup *os.File, off int64, leaf []byte) error {
	sent, got := sha256.New(), sha256.New()
	for piece := range slices.Chunk(leaf, replica.MaxPiece) {
		sent.Write(piece)
		sums := [2]uint32{crc32.Checksum(piece, castagnoli), crc32.Checksum(piece, castagnoli)}
		if err := w.pass(piece); err != nil {
			return err
		}
		if sums != [2]uint32{crc32.Checksum(w.piece, castagnoli), crc32.Checksum(w.piece, castagnoli)} {
			return errors.New("a checksum does not match")
		}
		got.Write(w.piece)
		if _, err := dup.WriteAt(w.piece, off); err != nil {
			return err
		}
		off += int64(len(piece))
	}
	if !bytes.Equal(sent.Sum(nil), got.Sum(nil)) {
		return errors.New("the hash of a leaf does not match")
	}
	return nil
}

// pass seals a piece and opens it again.
func (w *bothEnds) pass(piece []byte) (err error) {
	w.piece = w.piece[:0]
	for record := range slices.Chunk(piece, recordSize) {
		w.records++
		binary.BigEndian.PutUint64(w.nonce[4:], w.records)
		w.sealed = w.gcm.Seal(w.sealed[:0], w.nonce[:], record, nil)
		if w.piece, err = w.gcm.Open(w.piece, w.nonce[:], w.sealed, nil); err != nil {
			return err
		}
	}
	return nil
}
