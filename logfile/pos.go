package logfile

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"fairlead/internal/inotify"
)

// A GenID names one generation of a log: one append-only sequence of bytes.
// It is random, given when the generation is first seen, and kept in the
// state's generations file. The zero GenID names nothing.
type GenID [16]byte

// NewGenID returns a random GenID.
func NewGenID() GenID {
	var id GenID
	rand.Read(id[:]) // never fails: crypto/rand ends the process instead
	return id
}

// String returns the id as 32 hexadecimal digits.
func (id GenID) String() string { return hex.EncodeToString(id[:]) }

// Short returns the first 8 digits, enough for people and file names.
func (id GenID) Short() string { return hex.EncodeToString(id[:4]) }

// IsZero says that the id names no generation.
func (id GenID) IsZero() bool { return id == GenID{} }

// ParseGenID reads what String wrote.
func ParseGenID(s string) (GenID, error) {
	var id GenID
	if len(s) != 2*len(id) {
		return GenID{}, fmt.Errorf("parse generation %q: want %d hexadecimal digits", s, 2*len(id))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return GenID{}, fmt.Errorf("parse generation %q: %v", s, err)
	}
	return id, nil
}

// A Pos is the full address of a byte: a generation and the offset in it.
type Pos struct {
	Gen GenID
	Off int64
}

// String returns GEN:OFFSET.
func (p Pos) String() string { return p.Gen.String() + ":" + strconv.FormatInt(p.Off, 10) }

// ParsePos reads what String wrote. The offset is not negative.
func ParsePos(s string) (Pos, error) {
	g, o, ok := strings.Cut(s, ":")
	if !ok {
		return Pos{}, fmt.Errorf("parse position %q: want GEN:OFFSET", s)
	}
	gen, err := ParseGenID(g)
	if err != nil {
		return Pos{}, err
	}
	off, err := strconv.ParseInt(o, 10, 64)
	if err != nil || off < 0 {
		return Pos{}, fmt.Errorf("parse position %q: the offset is not a number from 0 on", s)
	}
	return Pos{gen, off}, nil
}

// A Range is the bytes [From, To) of one generation.
type Range struct{ From, To int64 }

// Len returns the number of bytes in the range.
func (r Range) Len() int64 { return r.To - r.From }

// A Reason says why a generation ended.
type Reason uint8

const (
	_         Reason = iota
	Rotated          // its path now names another file; the file itself may live on under another name
	Truncated        // cut or overwritten in place, as copytruncate does
	Deleted          // unlinked
	Forgotten        // nobody knows this generation (any more)
)

func (r Reason) String() string {
	switch r {
	case Rotated:
		return "rotated"
	case Truncated:
		return "truncated"
	case Deleted:
		return "deleted"
	case Forgotten:
		return "forgotten"
	}
	return "reason " + strconv.Itoa(int(r))
}

// ErrEnded is what errors.Is finds in every *Ended.
var ErrEnded = errors.New("generation ended")

// ErrParked is the state of a file that is rewritten in place again and again:
// nothing of it is read until it has been left alone for Set.ParkFor.
var ErrParked = errors.New("parked: rewritten in place")

// ErrNoWatches is why there are no events (Stats.WatchErr) where the kernel gives
// us no more watches or instances: a limit that the operator can raise.
var ErrNoWatches = inotify.ErrLimit

// Ended tells a reader that there is nothing more to read at its position.
type Ended struct {
	Gen    GenID  // the generation that ended
	At     int64  // its length in bytes, as far as it was ever seen
	Reason Reason // why
	Lost   Range  // what the reader had not read and can read no more; usually empty. More may have been there that nobody saw
	Next   Pos    // where the log goes on; a zero Gen if there is nothing yet

	nextOrd int64 // of Next; see Gen.ord
}

func (e *Ended) Error() string {
	s := fmt.Sprintf("generation %s ended at %d: %s", e.Gen.Short(), e.At, e.Reason)
	if e.Lost.Len() > 0 {
		s += fmt.Sprintf(", bytes %d to %d lost", e.Lost.From, e.Lost.To)
	}
	return s
}

// Is makes errors.Is(err, ErrEnded) true.
func (e *Ended) Is(target error) bool { return target == ErrEnded }
