package spool

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// An Epoch names an unbroken history of a spool. It is random and never zero.
type Epoch uint32

func (e Epoch) String() string { return fmt.Sprintf("%08x", uint32(e)) }

// newEpoch returns one that is not among those known.
func newEpoch(known func(Epoch) bool) Epoch {
	for {
		var b [4]byte
		rand.Read(b[:]) // never fails
		if e := Epoch(binary.BigEndian.Uint32(b[:])); e != 0 && !known(e) {
			return e
		}
	}
}

// A Pos is the lasting address of a byte.
type Pos struct {
	Epoch Epoch
	Off   int64
}

func (p Pos) String() string { return p.Epoch.String() + "-" + strconv.FormatInt(p.Off, 10) }

// ParsePos is strict: it takes what String returns, and nothing else.
func ParsePos(s string) (Pos, error) {
	epoch, off, _ := strings.Cut(s, "-")
	e, err := strconv.ParseUint(epoch, 16, 32)
	if err != nil {
		return Pos{}, fmt.Errorf("parse position %q: it is not EPOCH-OFFSET", s)
	}
	n, err := strconv.ParseInt(off, 10, 64)
	if err != nil {
		return Pos{}, fmt.Errorf("parse position %q: it is not EPOCH-OFFSET", s)
	}
	p := Pos{Epoch: Epoch(e), Off: n}
	if n < 0 || p.String() != s {
		return Pos{}, fmt.Errorf("parse position %q: it is not EPOCH-OFFSET as we write it", s)
	}
	return p, nil
}
