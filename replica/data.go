package replica

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
)

// A DATA's payload is the number of the file's bytes, their CRC32C, the bytes as
// they are or as one zstd frame, and the hash of the leaf if it is complete.

// beginData appends room for a DATA with n bytes of a file and returns where they
// are to be read to. endData finishes it.
func beginData(b []byte, n int) (frame, piece []byte) {
	start := len(b) + headerSize + dataFront
	b = append(b, make([]byte, headerSize+dataFront+n)...)
	return b, b[start:]
}

// endData finishes the DATA that begins at start of b, with its bytes at the end
// of b. leaf is nil if no leaf is complete with them. With a compressor they are
// made shorter if that pays; ratio is then what they became.
func endData(b []byte, start int, ch uint32, off int64, leaf *Hash, z *compressor) []byte {
	front := b[start+headerSize:]
	piece := front[dataFront:]
	binary.BigEndian.PutUint32(front, uint32(len(piece)))
	binary.BigEndian.PutUint32(front[4:], crc32.Checksum(piece, castagnoli))
	f := Frame{Type: TypeData, Channel: ch, Offset: off}
	if short, ok := z.compress(piece); ok {
		f.Flags |= flagZstd
		b = b[:len(b)-len(piece)+copy(piece, short)]
	}
	if leaf != nil {
		f.Flags |= flagLeaf
		b = append(b, leaf[:]...)
	}
	putHeader(b[start:], f)
	return b
}

// A piece is the content of a DATA.
type piece struct {
	bytes []byte
	leaf  *Hash
}

// parseData checks a DATA up to the bytes' CRC. They are valid as long as the
// frame's payload, or until the next call.
func parseData(f Frame, z *expander) (p piece, err error) {
	b := f.Payload
	if f.Flags&flagLeaf != 0 {
		end := len(b) - len(Hash{})
		if end < 0 {
			return piece{}, violation("a DATA of %d bytes is too short for the hash of a leaf", len(b))
		}
		leaf := Hash(b[end:])
		b, p.leaf = b[:end], &leaf
	}
	if len(b) < dataFront {
		return piece{}, violation("a DATA of %d bytes is too short", len(b))
	}
	n, crc := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	switch p.bytes = b[dataFront:]; {
	case n == 0 || n > MaxPiece:
		return piece{}, violation("a DATA has %d bytes of the file, want 1 to %d", n, MaxPiece)
	case f.Flags&flagZstd != 0:
		if p.bytes, err = z.expand(p.bytes, int(n)); err != nil {
			return piece{}, err
		}
	case len(p.bytes) != int(n):
		return piece{}, violation("a DATA says it has %d bytes of the file, and has %d", n, len(p.bytes))
	}
	end := f.Offset + int64(n)
	switch complete := end%LeafSize == 0; {
	case f.Offset/LeafSize != (end-1)/LeafSize:
		return piece{}, violation("a DATA goes from %d over the end of its leaf to %d", f.Offset, end)
	case complete != (p.leaf != nil):
		return piece{}, violation("a DATA that ends at %d has the hash of a leaf: %t", end, p.leaf != nil)
	case crc32.Checksum(p.bytes, castagnoli) != crc:
		return piece{}, &ProtocolError{CodeChecksum, fmt.Sprintf("the checksum of the bytes at %d does not match", f.Offset)}
	}
	return p, nil
}

const (
	// poorRatio is what is not worth compressing, and poorTries how often that is
	// found out before it is left for restFor pieces.
	poorRatio = 0.95
	poorTries = 3
	restFor   = 64
)

// A compressor makes pieces shorter, as long as that pays. A nil one does not.
type compressor struct {
	enc  *zstd.Encoder
	out  []byte
	poor int // pieces in a row that did not become shorter
	rest int // pieces to be left alone
}

func newCompressor() *compressor {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(MaxPiece), zstd.WithEncoderCRC(false))
	if err != nil {
		panic("bug: " + err.Error())
	}
	return &compressor{enc: enc}
}

// compress returns what is valid until the next call.
func (z *compressor) compress(p []byte) ([]byte, bool) {
	if z == nil || len(p) < 64 {
		return nil, false
	}
	if z.rest > 0 {
		z.rest--
		return nil, false
	}
	z.out = z.enc.EncodeAll(p, z.out[:0])
	if float64(len(z.out)) < poorRatio*float64(len(p)) {
		z.poor = 0
		return z.out, true
	}
	if z.poor++; z.poor == poorTries {
		z.poor, z.rest = 0, restFor
	}
	return nil, false
}

// An expander undoes what a compressor did, and never makes more than a piece.
type expander struct {
	dec *zstd.Decoder
	out []byte
}

// expand returns n bytes, valid until the next call.
func (z *expander) expand(p []byte, n int) (out []byte, err error) {
	if z.dec == nil {
		// The room that out has is a limit over all frames that are in p, and that of a
		// frame's size is not.
		z.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxPiece),
			zstd.WithDecoderMaxWindow(MaxPiece), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			panic("bug: " + err.Error())
		}
	}
	if z.out == nil {
		z.out = make([]byte, 0, MaxPiece)
	}
	if out, err = z.dec.DecodeAll(p, z.out[:0:n]); err != nil {
		return nil, violation("compressed bytes: %v", err)
	}
	if len(out) != n {
		return nil, violation("compressed bytes are %d, and were said to be %d", len(out), n)
	}
	return out, nil
}
