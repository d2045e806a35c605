package logfile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead/logfile"
)

// An owner writes the files of one log and tells of them, as a receiver does.
type owner struct {
	t    testing.TB
	dir  string
	told *logfile.Told
	gens []*ownGen // oldest first
}

type ownGen struct {
	logfile.ToldGen
	bytes []byte
}

func newOwner(t testing.TB, set *logfile.Set, name string) *owner {
	return &owner{t: t, dir: t.TempDir(), told: set.Told(name)}
}

// begin makes a file and tells of it as the current generation.
func (o *owner) begin() *ownGen {
	g := o.file()
	o.told.Tell(g.ToldGen)
	return g
}

// file makes a file and tells nobody.
func (o *owner) file() *ownGen {
	o.t.Helper()
	id := logfile.NewGenID()
	g := &ownGen{ToldGen: logfile.ToldGen{ID: id, Path: filepath.Join(o.dir, id.Short()), Modified: time.Now()}}
	must(o.t, os.WriteFile(g.Path, nil, 0o600))
	o.gens = append(o.gens, g)
	return g
}

// write appends to the file of g and tells nobody.
func (o *owner) write(g *ownGen, text string) {
	o.t.Helper()
	f, err := os.OpenFile(g.Path, os.O_WRONLY, 0)
	must(o.t, err)
	defer f.Close()
	_, err = f.WriteAt([]byte(text), g.Size)
	must(o.t, err)
	g.bytes = append(g.bytes[:g.Size], text...)
	g.Size += int64(len(text))
}

func (o *owner) append(g *ownGen, text string) {
	o.t.Helper()
	o.write(g, text)
	o.told.Tell(g.ToldGen)
}

// rename gives the file of g its last name.
func (o *owner) rename(g *ownGen) {
	o.t.Helper()
	to := g.Path + ".ended"
	must(o.t, os.Rename(g.Path, to))
	g.Path = to
	o.told.Tell(g.ToldGen)
}

// end tells why g has ended.
func (o *owner) end(g *ownGen, why logfile.Reason) {
	g.Ended = why
	o.told.Tell(g.ToldGen)
}

// texts reads what a follower is given, each span in brackets behind the number of
// its generation, and each end by its reason, until there is nothing more.
func (o *owner) texts(f *logfile.Follower) string {
	o.t.Helper()
	var b strings.Builder
	for {
		span, ok, err := f.Ready()
		buf := make([]byte, 1000)
		if ok && err == nil {
			span, err = f.Read(o.t.Context(), buf)
		}
		var ended *logfile.Ended
		switch {
		case errors.As(err, &ended):
			fmt.Fprintf(&b, "%d %s", o.number(ended.Gen), ended.Reason)
			if ended.Lost.Len() > 0 {
				fmt.Fprintf(&b, " without %d-%d", ended.Lost.From, ended.Lost.To)
			}
			b.WriteString("; ")
			continue
		case err != nil:
			o.t.Fatal(err)
		case !ok:
			return strings.TrimSuffix(b.String(), "; ")
		}
		late := ""
		if span.Late {
			late = "late "
		}
		fmt.Fprintf(&b, "%d %s[%s]; ", o.number(span.Gen), late, buf[:span.N])
	}
}

func (o *owner) number(id logfile.GenID) int {
	return slices.IndexFunc(o.gens, func(g *ownGen) bool { return g.ID == id })
}

// cut takes the file of g, which is damaged, aside and begins it anew with the n
// bytes that are good.
func (o *owner) cut(g *ownGen, n int64) {
	o.t.Helper()
	must(o.t, os.Rename(g.Path, g.Path+".damaged"))
	g.Size, g.bytes = n, g.bytes[:n]
	must(o.t, os.WriteFile(g.Path, g.bytes, 0o600))
	o.told.Tell(g.ToldGen)
}

// forget removes the file of g.
func (o *owner) forget(g *ownGen) {
	o.t.Helper()
	o.told.Forget(g.ID)
	must(o.t, os.Remove(g.Path))
}

func at(g *ownGen) logfile.From { return logfile.FromPos(logfile.Pos{Gen: g.ID}) }
