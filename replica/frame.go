package replica

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// Sizes of what is sent.
const (
	headerSize = 24
	// MaxPiece is how many bytes of a file one DATA has at most. It never goes
	// over the end of a leaf.
	MaxPiece = 256 << 10
	// dataFront is what stands before the bytes of a DATA: their number, and CRC.
	dataFront = 8
	// maxPayload is that of a DATA with a leaf's hash, the largest there is.
	maxPayload = dataFront + MaxPiece + len(Hash{})
)

// A Type says what a frame is.
type Type uint8

// The types. Those from TypeOptional on whoever does not know them passes over.
const (
	_ Type = iota
	TypeHello
	TypeWelcome
	TypeOpen
	TypeAt
	TypeKnown
	TypeData
	TypeAck
	TypeSeal
	TypeSealed
	TypeEnded
	TypeCheck
	TypeLeaves
	TypeBusy
	TypeFenced
	TypeReject
	TypePing
	TypePong
	TypeOptional Type = 128
)

// Flags of single types.
const (
	// OPEN: the file is not at its path any more; the next generation is, or will be.
	flagEnded = 1
	// OPEN: the sender has tried all that the receiver knows under the path.
	flagTested = 2
	// DATA: the bytes are one zstd frame.
	flagZstd = 1
	// DATA: the last 32 bytes are the hash of the leaf that is complete with it.
	flagLeaf = 2
	// AT: the copy is sealed.
	flagSealed = 1
	// AT: and its bytes were removed.
	flagPruned = 2
	// SEAL: the source has other bytes than the copy; there is no proof.
	flagDiverged = 1
	// LEAVES: there is no such copy.
	flagNone = 1
)

// A Frame is one message between a sender and a receiver.
type Frame struct {
	Type    Type
	Flags   uint8
	Channel uint32 // 0: the connection
	Offset  int64
	Payload []byte // valid until the next one is read
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A ProtocolError is a frame that no peer of ours sends: the connection ends.
type ProtocolError struct {
	Code Code
	Text string
}

func (e *ProtocolError) Error() string { return e.Text }

func violation(format string, args ...any) error {
	return &ProtocolError{CodeProtocol, fmt.Sprintf(format, args...)}
}

// appendFrame appends a frame whose payload is small.
func appendFrame(b []byte, f Frame) []byte {
	start := len(b)
	b = append(b, make([]byte, headerSize)...)
	b = append(b, f.Payload...)
	putHeader(b[start:], f)
	return b
}

// putHeader writes the header of a frame whose payload stands behind it.
func putHeader(b []byte, f Frame) {
	b[0], b[1], b[2], b[3] = byte(f.Type), f.Flags, 0, 0
	binary.BigEndian.PutUint32(b[4:], f.Channel)
	binary.BigEndian.PutUint64(b[8:], uint64(f.Offset))
	binary.BigEndian.PutUint32(b[16:], uint32(len(b)-headerSize))
	binary.BigEndian.PutUint32(b[20:], checksum(b))
}

// checksum is the CRC32C over a frame but for the field that it is in.
func checksum(frame []byte) uint32 {
	return crc32.Update(crc32.Checksum(frame[:20], castagnoli), castagnoli, frame[headerSize:])
}

// A Reader reads frames.
type Reader struct {
	R   io.Reader
	buf []byte
}

// Next reads the next frame. At the end of the connection it returns io.EOF, and
// io.ErrUnexpectedEOF inside a frame.
func (r *Reader) Next() (Frame, error) {
	if r.buf == nil {
		r.buf = make([]byte, headerSize, 4<<10)
	}
	head := r.buf[:headerSize]
	if _, err := io.ReadFull(r.R, head); err != nil {
		return Frame{}, err
	}
	n := binary.BigEndian.Uint32(head[16:])
	if n > uint32(maxPayload) {
		return Frame{}, violation("a frame of type %d has %d bytes, at most %d are allowed", head[0], n, maxPayload)
	}
	if whole := headerSize + int(n); cap(r.buf) < whole {
		r.buf = append(make([]byte, 0, max(whole, 2*cap(r.buf))), head...)
	}
	frame := r.buf[:headerSize+int(n)]
	if _, err := io.ReadFull(r.R, frame[headerSize:]); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return Frame{}, err
	}
	return parseFrame(frame)
}

// parseFrame checks a whole frame.
func parseFrame(b []byte) (Frame, error) {
	f := Frame{
		Type: Type(b[0]), Flags: b[1], Channel: binary.BigEndian.Uint32(b[4:]),
		Offset: int64(binary.BigEndian.Uint64(b[8:])), Payload: b[headerSize:],
	}
	switch {
	case binary.BigEndian.Uint32(b[20:]) != checksum(b):
		return Frame{}, &ProtocolError{CodeChecksum, fmt.Sprintf("the checksum of a frame of type %d does not match", f.Type)}
	case b[2] != 0 || b[3] != 0:
		return Frame{}, violation("the reserved bytes of a frame of type %d are not zero", f.Type)
	case f.Offset < 0:
		return Frame{}, violation("a frame of type %d has an offset beyond 2^63", f.Type)
	}
	return f, nil
}
