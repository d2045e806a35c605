package plain

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"fairlead/internal/durable"
	"fairlead/logfile"
	"fairlead/ship/disk"
)

// names is which generation has which name at which receiver: a file that is replaced
// whole before a new name is used. The first line is namesHead, the others are
//
//	GEN DONE SEEN "RECEIVER" "PATH" "NAME"
//
// GEN is zero if nothing more is sent under the name; DONE is how much the receiver had
// when all was sent, or -1; SEEN is the day on which it was in use last.
type names struct {
	path string

	mu      sync.Mutex // guards what follows
	gens    map[nameKey]*named
	owners  map[ownerKey]*named
	changed bool
}

type nameKey struct {
	to  string
	gen logfile.GenID
}

type ownerKey struct{ to, name string }

// A named is the name of a generation at a receiver.
type named struct {
	to   string
	gen  logfile.GenID
	path string // of the log
	name string
	done int64  // -1: not all was sent
	seen string // day, as 2026-02-03
}

const (
	namesHead = "fairlead plain names 1"
	// keepNames is for how long the name of a generation is kept that was sent, or of
	// a log that is not there.
	keepNames = 30 * 24 * time.Hour
	dayLayout = time.DateOnly
)

// open reads what is there. A line that says nothing we understand is passed over.
func (n *names) open(path string, now time.Time) error {
	n.path, n.gens, n.owners = path, make(map[nameKey]*named), make(map[ownerKey]*named)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read names: %w", err)
	}
	defer f.Close()
	in := bufio.NewReader(f)
	if head, err := in.ReadString('\n'); err != nil || head != namesHead+"\n" {
		return nil // of another version: as if there were none
	}
	oldest := now.Add(-keepNames).UTC().Format(dayLayout)
	for {
		line, err := in.ReadString('\n')
		if r, ok := parseNamed(strings.TrimSuffix(line, "\n")); ok && r.seen >= oldest {
			n.put(r)
		}
		if err != nil {
			return nil
		}
	}
}

func parseNamed(line string) (*named, bool) {
	words := strings.SplitN(line, " ", 4)
	if len(words) != 4 {
		return nil, false
	}
	r := &named{seen: words[2]}
	var errs [3]error
	r.gen, errs[0] = logfile.ParseGenID(words[0])
	r.done, errs[1] = strconv.ParseInt(words[1], 10, 64)
	_, errs[2] = fmt.Sscanf(words[3], "%q %q %q", &r.to, &r.path, &r.name)
	return r, errs == [3]error{} && checkName(r.name) == nil
}

// put adds a name. n.mu is held, or nobody else knows n.
func (n *names) put(r *named) {
	n.gens[nameKey{r.to, r.gen}] = r
	n.owners[ownerKey{r.to, r.name}] = r
}

// of returns the name of a generation that is there today.
func (n *names) of(to string, gen logfile.GenID) (named, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.gens[nameKey{to, gen}]
	if r == nil {
		return named{}, false
	}
	n.see(r)
	if first := n.owners[ownerKey{to, filepath.Base(r.path)}]; first != nil && first.path == r.path {
		n.see(first)
	}
	return *r, true
}

// see notes that a name is in use today. n.mu is held.
func (n *names) see(r *named) {
	if today := time.Now().UTC().Format(dayLayout); r.seen != today {
		r.seen, n.changed = today, true
	}
}

// choose gives a generation a name: that of its file if no other generation has had it,
// else the same with a time and the beginning of its id. The name of another file that
// is sent is not taken.
func (n *names) choose(to, path string, gen logfile.GenID, collected func(path string) bool) (named, error) {
	base := filepath.Base(path)
	if err := checkName(base); err != nil {
		return named{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	first := n.owners[ownerKey{to, base}]
	if first != nil && first.path != path && collected(first.path) {
		return named{}, fmt.Errorf("%s and %s would both be %s there: rename one, or send its directory to another receiver", first.path, path, base)
	}
	return *n.rename(to, path, gen), nil
}

// another gives a generation another name than it has.
func (n *names) another(to, path string, gen logfile.GenID) named {
	n.mu.Lock()
	defer n.mu.Unlock()
	return *n.rename(to, path, gen)
}

// rename gives a generation a name that no generation has. n.mu is held.
func (n *names) rename(to, path string, gen logfile.GenID) *named {
	now := time.Now().UTC()
	name := filepath.Base(path)
	for nr := 1; n.owners[ownerKey{to, name}] != nil; nr++ {
		name = disk.Join(filepath.Base(path), disk.GenSuffix(now, gen), nr, disk.MaxName)
	}
	if old := n.gens[nameKey{to, gen}]; old != nil {
		old.gen = logfile.GenID{} // it stays taken
	}
	n.put(&named{to: to, gen: gen, path: path, name: name, done: -1, seen: now.Format(dayLayout)})
	n.changed = true
	return n.gens[nameKey{to, gen}]
}

// settle notes how much of a generation the receiver has; -1: not all of it.
func (n *names) settle(to string, gen logfile.GenID, done int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if r := n.gens[nameKey{to, gen}]; r != nil && r.done != done {
		r.done, n.changed = done, true
	}
}

// save makes durable what has changed.
func (n *names) save() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.changed {
		return nil
	}
	err := durable.Replace(n.path, func(f *os.File) error {
		out := bufio.NewWriter(f)
		fmt.Fprintln(out, namesHead)
		byName := func(a, b *named) int { return cmp.Or(cmp.Compare(a.to, b.to), cmp.Compare(a.name, b.name)) }
		for _, r := range slices.SortedFunc(maps.Values(n.owners), byName) {
			fmt.Fprintf(out, "%s %d %s %q %q %q\n", r.gen, r.done, r.seen, r.to, r.path, r.name)
		}
		return out.Flush()
	})
	if err != nil {
		return fmt.Errorf("write names down: %w", err)
	}
	n.changed = false
	return nil
}
