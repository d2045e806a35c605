package logfile

import (
	"errors"
	"fmt"
	"strings"
)

// A Place is what somebody asks for in words, gen and from: a generation, and
// where to begin. The zero Place is byte 0 of the current generation.
type Place struct {
	From From

	gen   GenID
	named bool // a generation was; the zero id is none, and not the current one
}

// ErrTwoGenerations is for a Place whose gen and from do not agree.
var ErrTwoGenerations = errors.New("gen and from name different generations")

// A GoneError is for a generation that can no longer be read.
type GoneError struct {
	Gen  GenID
	Last *Gen // what is known of it; nil: nothing
}

func (e *GoneError) Error() string { return fmt.Sprintf("generation %s can no longer be read", e.Gen) }

// SetGen names a generation.
func (p *Place) SetGen(s string) (err error) {
	p.gen, err = ParseGenID(s)
	p.named = p.named || err == nil
	return err
}

// SetFrom says where to begin; see ParseFrom.
func (p *Place) SetFrom(s string) (err error) {
	p.From, err = ParseFrom(s)
	p.named = p.named || err == nil && strings.Contains(s, ":")
	return err
}

// Find returns the generation of a log of which st is known. It is nil if the
// current one is meant, and there is none.
func (p Place) Find(st Stat) (*Gen, error) {
	if !p.named {
		return st.Current, nil
	}
	id := p.gen
	if from := p.From.gen; !from.IsZero() {
		if !id.IsZero() && id != from {
			return nil, ErrTwoGenerations
		}
		id = from
	}
	g := st.Find(id)
	if id.IsZero() || g == nil || !g.Readable {
		return nil, &GoneError{id, g}
	}
	return g, nil
}
