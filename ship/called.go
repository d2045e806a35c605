package ship

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"fairlead/logfile"
)

// A called is the ids by which receivers know generations, where they are not those
// that these have here: a sender that had lost its state found them by content, or a
// copy had diverged. A file that is gone cannot be found so again. It is a file to
// which lines are added:
//
//	GEN COPY "RECEIVER"
//
// Nothing waits for the disk, and no error matters.
type called struct {
	path string

	mu    sync.Mutex // guards what follows
	known map[copyKey]logfile.GenID
}

type copyKey struct {
	gen logfile.GenID
	to  string
}

// open reads what is there, and writes it anew without the generations that are not
// being sent any more.
func (c *called) open(path string, sent func(logfile.GenID) bool) {
	c.path, c.known = path, make(map[copyKey]logfile.GenID)
	old, _ := os.ReadFile(path)
	for line := range strings.Lines(string(old)) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3)
		if len(f) != 3 {
			continue
		}
		gen, err1 := logfile.ParseGenID(f[0])
		as, err2 := logfile.ParseGenID(f[1])
		to, err3 := strconv.Unquote(f[2])
		if err1 == nil && err2 == nil && err3 == nil && sent(gen) {
			c.known[copyKey{gen, to}] = as
		}
	}
	if len(old) == 0 {
		return
	}
	var all bytes.Buffer
	for key, as := range c.known {
		key.line(&all, as)
	}
	if os.WriteFile(path+".new", all.Bytes(), 0o600) == nil {
		os.Rename(path+".new", path)
	}
}

func (k copyKey) line(b *bytes.Buffer, as logfile.GenID) {
	fmt.Fprintf(b, "%s %s %q\n", k.gen, as, k.to)
}

// note notes by which id a receiver knows a generation.
func (c *called) note(gen logfile.GenID, to string, as logfile.GenID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := copyKey{gen, to}
	c.known[key] = as
	if f, err := os.OpenFile(c.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600); err == nil {
		var b bytes.Buffer
		key.line(&b, as)
		f.Write(b.Bytes())
		f.Close()
	}
}

// as is the id by which a receiver knows a generation.
func (c *called) as(gen logfile.GenID, to string) logfile.GenID {
	c.mu.Lock()
	defer c.mu.Unlock()
	if as, ok := c.known[copyKey{gen, to}]; ok {
		return as
	}
	return gen
}

// drop forgets a generation.
func (c *called) drop(gen logfile.GenID, to string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, copyKey{gen, to})
}
