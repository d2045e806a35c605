package logfile

import (
	"errors"
	"testing"
)

func TestPlace(t *testing.T) {
	current := &Gen{ID: NewGenID(), Size: 10, Readable: true}
	old := &Gen{ID: NewGenID(), Size: 20, Readable: true}
	deleted := &Gen{ID: NewGenID(), Size: 30}
	st := Stat{Current: current, Old: []*Gen{deleted, old}}
	const zero = "00000000000000000000000000000000"
	unknown := NewGenID()
	for _, tt := range []struct {
		gen, from string
		want      *Gen
		gone      GenID // of the GoneError, if want is nil
		err       error
	}{
		{"", "", current, GenID{}, nil},
		{"", "-3", current, GenID{}, nil},
		{old.ID.String(), "", old, GenID{}, nil},
		{old.ID.String(), "end", old, GenID{}, nil},
		{"", old.ID.String() + ":5", old, GenID{}, nil},
		{old.ID.String(), old.ID.String() + ":5", old, GenID{}, nil},
		{current.ID.String(), old.ID.String() + ":5", nil, GenID{}, ErrTwoGenerations},
		{deleted.ID.String(), "", nil, deleted.ID, nil},
		{unknown.String(), "", nil, unknown, nil},
		{zero, "", nil, GenID{}, nil},
		{"", zero + ":5", nil, GenID{}, nil},
	} {
		var p Place
		if tt.gen != "" {
			if err := p.SetGen(tt.gen); err != nil {
				t.Fatal(err)
			}
		}
		if tt.from != "" {
			if err := p.SetFrom(tt.from); err != nil {
				t.Fatal(err)
			}
		}
		g, err := p.Find(st)
		var gone *GoneError
		switch {
		case g != tt.want:
			t.Errorf("Find of gen %q from %q = %v, want %v", tt.gen, tt.from, g, tt.want)
		case tt.want != nil && err != nil, tt.err != nil && !errors.Is(err, tt.err):
			t.Errorf("Find of gen %q from %q: %v, want %v", tt.gen, tt.from, err, tt.err)
		case tt.want == nil && tt.err == nil && (!errors.As(err, &gone) || gone.Gen != tt.gone):
			t.Errorf("Find of gen %q from %q: %v, want that %s is gone", tt.gen, tt.from, err, tt.gone)
		}
	}
	var p Place
	if p.SetGen("x") == nil || p.SetFrom("x") == nil || p.SetFrom("x:1") == nil {
		t.Errorf("SetGen(x), SetFrom(x) or SetFrom(x:1) = nil, want errors")
	}
	if g, err := p.Find(st); g != current || err != nil {
		t.Errorf("Find behind errors = %v, %v, want the current one", g, err)
	}
}
