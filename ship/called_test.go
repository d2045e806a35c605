package ship

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/logfile"
)

// By which id a receiver knows a generation is known to the next process too, as long
// as the generation is being sent; what nobody understands is passed over.
func TestCalledOutlivesTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "called")
	sent, over := logfile.NewGenID(), logfile.NewGenID()
	first, last, other := logfile.NewGenID(), logfile.NewGenID(), logfile.NewGenID()
	isSent := func(id logfile.GenID) bool { return id == sent }
	var c called
	c.open(path, isSent)
	if as := c.as(sent, "vault"); as != sent {
		t.Errorf("nothing is known, and it is called %s, want its own id %s", as, sent)
	}
	c.note(sent, "vault", first)
	c.note(sent, "vault", last)
	c.note(sent, `an "other"`, other)
	c.note(over, "vault", first)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(b, "garbage\n"+sent.String()+" x \"vault\"\nhalf a li"...), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what the first wrote the second reads
		c = called{}
		c.open(path, isSent)
		for to, want := range map[string]logfile.GenID{"vault": last, `an "other"`: other, "nobody": sent} {
			if as := c.as(sent, to); as != want {
				t.Errorf("%s knows it as %s, want %s", to, as, want)
			}
		}
		if as := c.as(over, "vault"); as != over {
			t.Errorf("one that is not sent any more is known as %s", as)
		}
	}
	if b, err := os.ReadFile(path); err != nil || strings.Count(string(b), "\n") != 2 {
		t.Errorf("the file is %q, %v, want the 2 lines that count", b, err)
	}
	c.drop(sent, "vault")
	if as := c.as(sent, "vault"); as != sent {
		t.Errorf("one that was dropped is called %s", as)
	}
}
