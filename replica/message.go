package replica

import (
	"encoding/binary"
	"fmt"
	"time"

	"fairlead/logfile"
)

// Version is that of the protocol. Feature bits say the rest.
const Version = 1

// FeatureZstd is the optional feature that DATA may be compressed.
const FeatureZstd = 1

// A Code says why something was refused. The numbers are those of the wire.
type Code uint16

// The codes.
const (
	_            Code = iota
	CodeProtocol      // a frame that must not be
	CodeChecksum      // a CRC or the hash of a leaf does not match
	CodeVersion       // the versions, or critical features, have nothing in common
	CodeOffset        // DATA beyond the end of what is there
	CodeRefused       // the path, or the file that is at it, cannot be taken
	CodeParked        // one sender in two places: they end each other
	CodeFailed        // the receiver's disk or journal
	CodeClosing       // the receiver stops
	CodeProof         // a SEAL says another length or hash
)

// hello is HELLO and WELCOME.
type hello struct {
	version            uint16
	critical, optional uint32
	instance           [16]byte // of a HELLO
	name               string   // what the sender or the receiver calls itself
	software           string
}

// An offer is OPEN.
type offer struct {
	gen      logfile.GenID
	size     int64
	modified time.Time
	head     Head
	path     []string
}

// known is one copy of a KNOWN.
type known struct {
	gen   logfile.GenID
	n     int64
	proof Hash
}

// maxKnown is how many copies a KNOWN names at most.
const maxKnown = 8

// Limits of what is in a message.
const (
	maxText  = 1 << 10
	maxNames = 64
	maxName  = 200
)

// A packer appends fields, big end first.
type packer []byte

func (p *packer) u8(v uint8)          { *p = append(*p, v) }
func (p *packer) u16(v uint16)        { *p = binary.BigEndian.AppendUint16(*p, v) }
func (p *packer) u32(v uint32)        { *p = binary.BigEndian.AppendUint32(*p, v) }
func (p *packer) u64(v int64)         { *p = binary.BigEndian.AppendUint64(*p, uint64(v)) }
func (p *packer) raw(b []byte)        { *p = append(*p, b...) }
func (p *packer) hash(h Hash)         { p.raw(h[:]) }
func (p *packer) gen(g logfile.GenID) { p.raw(g[:]) }
func (p *packer) text(s string) {
	s = s[:min(len(s), maxText)]
	p.u16(uint16(len(s)))
	p.raw([]byte(s))
}

func (p *packer) time(t time.Time) {
	if t.IsZero() {
		p.u64(0)
		return
	}
	p.u64(t.UnixNano())
}

// An unpacker takes fields off the front. After the first that is not there all
// are zero. What is behind those it is asked for a later version has added.
type unpacker struct {
	b   []byte
	bad bool
}

func (u *unpacker) raw(n int) []byte {
	if len(u.b) < n {
		u.b, u.bad = nil, true
		return make([]byte, n)
	}
	b := u.b[:n]
	u.b = u.b[n:]
	return b
}

func (u *unpacker) u8() uint8   { return u.raw(1)[0] }
func (u *unpacker) u16() uint16 { return binary.BigEndian.Uint16(u.raw(2)) }
func (u *unpacker) u32() uint32 { return binary.BigEndian.Uint32(u.raw(4)) }

// u64 reads a number that is not negative as one of 63 bits.
func (u *unpacker) u64() int64 {
	v := int64(binary.BigEndian.Uint64(u.raw(8)))
	if v < 0 {
		u.bad = true
	}
	return max(v, 0)
}

func (u *unpacker) hash() Hash         { return Hash(u.raw(len(Hash{}))) }
func (u *unpacker) gen() logfile.GenID { return logfile.GenID(u.raw(16)) }

func (u *unpacker) text(most int) string {
	n := int(u.u16())
	if n > most {
		u.bad = true
		return ""
	}
	return string(u.raw(n))
}

func (u *unpacker) time() time.Time {
	ns := int64(binary.BigEndian.Uint64(u.raw(8)))
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

func (u *unpacker) err(t Type) error {
	if u.bad {
		return violation("the payload of a frame of type %d is not well formed", t)
	}
	return nil
}

func (h hello) frame(t Type) Frame {
	var p packer
	p.u16(h.version)
	p.u32(h.critical)
	p.u32(h.optional)
	p.raw(h.instance[:])
	p.text(h.name)
	p.text(h.software)
	return Frame{Type: t, Payload: p}
}

func parseHello(f Frame) (h hello, err error) {
	u := unpacker{b: f.Payload}
	h.version, h.critical, h.optional = u.u16(), u.u32(), u.u32()
	h.instance = [16]byte(u.raw(16))
	h.name, h.software = u.text(maxText), u.text(maxText)
	return h, u.err(f.Type)
}

func (o offer) frame(ch uint32, flags uint8) Frame {
	var p packer
	p.gen(o.gen)
	p.u64(o.size)
	p.time(o.modified)
	p.u16(uint16(o.head.N))
	p.hash(o.head.Hash)
	p.u8(uint8(len(o.path)))
	for _, name := range o.path {
		p.text(name)
	}
	return Frame{Type: TypeOpen, Flags: flags, Channel: ch, Payload: p}
}

// checkNames returns why a path does not fit into an OPEN, whose receiver would take
// it for the end of all that was agreed.
func checkNames(path []string) error {
	if len(path) > maxNames {
		return &RefusedError{fmt.Sprintf("its path has %d names, and there may be %d", len(path), maxNames)}
	}
	for _, name := range path {
		if len(name) > maxName {
			return &RefusedError{fmt.Sprintf("the name %.20q... has %d bytes, and may have %d", name, len(name), maxName)}
		}
	}
	return nil
}

func parseOpen(f Frame) (o offer, err error) {
	u := unpacker{b: f.Payload}
	o.gen, o.size, o.modified = u.gen(), u.u64(), u.time()
	o.head = Head{int64(u.u16()), u.hash()}
	n := int(u.u8())
	if n == 0 || n > maxNames || o.head.N > HeadSize || o.gen.IsZero() {
		u.bad = true
		n = 0
	}
	for range n {
		o.path = append(o.path, u.text(maxName))
	}
	return o, u.err(f.Type)
}

func atFrame(ch uint32, flags uint8, n int64, proof Hash) Frame {
	return Frame{Type: TypeAt, Flags: flags, Channel: ch, Offset: n, Payload: proof[:]}
}

func parseAt(f Frame) (proof Hash, err error) {
	u := unpacker{b: f.Payload}
	return u.hash(), u.err(f.Type)
}

func knownFrame(ch uint32, list []known) Frame {
	var p packer
	p.u8(uint8(len(list)))
	for _, k := range list {
		p.gen(k.gen)
		p.u64(k.n)
		p.hash(k.proof)
	}
	return Frame{Type: TypeKnown, Channel: ch, Payload: p}
}

func parseKnown(f Frame) (list []known, err error) {
	u := unpacker{b: f.Payload}
	n := int(u.u8())
	if n > maxKnown {
		u.bad = true
		n = 0
	}
	for range n {
		list = append(list, known{u.gen(), u.u64(), u.hash()})
	}
	return list, u.err(f.Type)
}

func sealFrame(ch uint32, flags uint8, s Seal) Frame {
	var p packer
	p.hash(s.Proof)
	p.u64(s.Size)
	p.u8(uint8(s.Reason))
	return Frame{Type: TypeSeal, Flags: flags, Channel: ch, Offset: s.N, Payload: p}
}

func parseSeal(f Frame) (s Seal, err error) {
	u := unpacker{b: f.Payload}
	s = Seal{N: f.Offset, Proof: u.hash(), Size: u.u64(), Reason: Reason(u.u8())}
	if s.Reason < Rotated || s.Reason > Changed || s.Size < s.N && f.Flags&flagDiverged == 0 {
		u.bad = true
	}
	return s, u.err(f.Type)
}

func endedFrame(ch uint32, at time.Time) Frame {
	var p packer
	p.time(at)
	return Frame{Type: TypeEnded, Channel: ch, Payload: p}
}

func parseEnded(f Frame) (time.Time, error) {
	u := unpacker{b: f.Payload}
	return u.time(), u.err(f.Type)
}

func busyFrame(ch uint32, retry time.Duration, why string) Frame {
	var p packer
	p.u32(uint32(retry.Milliseconds()))
	p.text(why)
	return Frame{Type: TypeBusy, Channel: ch, Payload: p}
}

func parseBusy(f Frame) (retry time.Duration, why string, err error) {
	u := unpacker{b: f.Payload}
	retry, why = time.Duration(u.u32())*time.Millisecond, u.text(maxText)
	return retry, why, u.err(f.Type)
}

func rejectFrame(ch uint32, code Code, text string) Frame {
	var p packer
	p.u16(uint16(code))
	p.text(text)
	return Frame{Type: TypeReject, Channel: ch, Payload: p}
}

func parseReject(f Frame) (code Code, text string, err error) {
	u := unpacker{b: f.Payload}
	code, text = Code(u.u16()), u.text(maxText)
	return code, text, u.err(f.Type)
}

// ackSize is what an ACK has for each channel.
const ackSize = 12

// maxAcks is how many channels one ACK names at most.
const maxAcks = 1000

// parseAck calls f for each channel and what is durable of it.
func parseAck(f Frame, each func(ch uint32, n int64)) error {
	if len(f.Payload)%ackSize != 0 || len(f.Payload) > maxAcks*ackSize {
		return violation("an ACK has %d bytes", len(f.Payload))
	}
	for u := (unpacker{b: f.Payload}); len(u.b) > 0; {
		ch, n := u.u32(), u.u64()
		if u.bad {
			return u.err(f.Type)
		}
		each(ch, n)
	}
	return nil
}

// checking is CHECK: the hashes of count leaves from the first on, or all there
// are. The last may be of the rest, up to what is durable.
type checking struct {
	gen   logfile.GenID
	count uint32
}

// MaxCheck is how many leaves one CHECK asks for at most.
const MaxCheck = 64

func (c checking) frame(first int64) Frame {
	var p packer
	p.gen(c.gen)
	p.u32(c.count)
	return Frame{Type: TypeCheck, Offset: first, Payload: p}
}

func parseCheck(f Frame) (c checking, err error) {
	u := unpacker{b: f.Payload}
	c = checking{u.gen(), u.u32()}
	if c.count == 0 || c.count > MaxCheck {
		u.bad = true
	}
	return c, u.err(f.Type)
}

// leaves is LEAVES: the hashes of those that could be read, from the first on.
type leaves struct {
	gen    logfile.GenID
	first  int64
	none   bool  // there is no such copy
	n      int64 // durable of it
	state  State
	hashes []Hash
}

func parseLeaves(f Frame) (l leaves, err error) {
	u := unpacker{b: f.Payload}
	l = leaves{gen: u.gen(), first: f.Offset, none: f.Flags&flagNone != 0, n: u.u64(), state: State(u.u8())}
	n := int(u.u8())
	if n > MaxCheck || l.state > Pruned {
		u.bad = true
		n = 0
	}
	for range n {
		l.hashes = append(l.hashes, u.hash())
	}
	return l, u.err(f.Type)
}

// leavesFrame answers a CHECK with what is durable of a copy.
func leavesFrame(gen logfile.GenID, flags uint8, first int64, rec Record, leaves []Hash) Frame {
	var p packer
	p.gen(gen)
	p.u64(rec.N)
	p.u8(uint8(rec.State))
	p.u8(uint8(len(leaves)))
	for _, h := range leaves {
		p.hash(h)
	}
	return Frame{Type: TypeLeaves, Flags: flags, Offset: first, Payload: p}
}
