package store

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"fairlead/logfile"
	"fairlead/replica"
	"fairlead/ship/disk"
)

// rebuild makes the journal anew from what is in the store's directory, and keeps
// the damaged one beside it. The generations get new ids: their senders find them by
// their path, and prove them.
func (s *Store) rebuild(why error) error {
	if err := s.setAside(); err != nil {
		return fmt.Errorf("set damaged journal aside: %w", err)
	}
	j, err := openJournal(s.own, newName, s.disk.Around)
	if err != nil {
		return err
	}
	b := &rebuilder{s: s, j: j}
	err = b.senders()
	if err = errors.Join(err, b.flush(), j.close()); err != nil {
		return fmt.Errorf("rebuild journal: %w", err)
	}
	s.problem("", fmt.Sprintf("%v: it was made anew of %d files", why, b.count), "none is needed: senders prove what they have sent; what was pruned may be sent again")
	return s.install()
}

// setAside renames the damaged journal, if there is one.
func (s *Store) setAside() error {
	name := journalName + ".damaged-" + disk.Stamp(s.o.Now())
	for nr := range maxTries {
		err := s.disk.Rename(ownDir+"/"+journalName, ownDir+"/"+disk.Join(name, "", nr+1, s.disk.Max))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return errNoName
}

// A rebuilder puts into a journal what it finds.
type rebuilder struct {
	s       *Store
	j       *journal
	changes []change
	leaves  int
	count   int
}

func (b *rebuilder) senders() error {
	dir, err := b.s.disk.Root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() && checkSender(e.Name()) == nil {
			if err := b.walk(e.Name(), nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// A find is a file that looks like a copy.
type find struct {
	name  string // in its directory
	path  string // the last name of its path
	ended time.Time
}

// walk takes what is in a directory of a sender: the ended copies first, in the
// order in which they ended.
func (b *rebuilder) walk(sender string, at []string) error {
	dir := sender
	for _, name := range at {
		dir += "/" + name
	}
	f, err := b.s.disk.DirFile(dir + "/x")
	if err != nil {
		return err
	}
	entries, err := f.ReadDir(-1)
	f.Close()
	if err != nil {
		return err
	}
	var finds []find
	for _, e := range entries {
		inside := append(slices.Clone(at), e.Name())
		switch {
		case e.IsDir() && CheckPath(inside) == nil:
			if err := b.walk(sender, inside); err != nil {
				return err
			}
		case e.Type().IsRegular() && !damagedName.MatchString(e.Name()):
			base, ended, _ := parseEnded(e.Name())
			if CheckPath(append(slices.Clone(at), base)) == nil {
				finds = append(finds, find{e.Name(), base, ended})
			}
		}
	}
	slices.SortFunc(finds, func(a, b find) int {
		if a.ended.IsZero() != b.ended.IsZero() {
			return cmp.Compare(b.ended.Unix(), a.ended.Unix()) // the zero time is long ago
		}
		return cmp.Or(a.ended.Compare(b.ended), cmp.Compare(a.name, b.name))
	})
	for _, found := range finds {
		if err := b.add(sender, dir, append(slices.Clone(at), found.path), found); err != nil {
			return err
		}
	}
	return nil
}

// add makes a record of a file. What cannot be read is left alone.
func (b *rebuilder) add(sender, dir string, at []string, found find) error {
	name := dir + "/" + found.name
	f, err := b.s.disk.Open(name, os.O_RDONLY)
	if err != nil {
		b.s.problem(name, err.Error(), "nothing is done with this file")
		return nil
	}
	defer f.Close()
	tree := &replica.Tree{}
	if _, err := io.Copy(tree, f); err != nil {
		b.s.problem(name, err.Error(), "nothing is done with this file")
		return nil
	}
	r := &record{file: name, Record: replica.Record{
		ID:    replica.ID{Sender: sender, Gen: logfile.NewGenID()},
		Path:  at,
		N:     tree.N(),
		Rest:  tree.Rest(),
		Ended: found.ended,
	}}
	b.changes = append(b.changes, change{new: r, leaves: tree.Leaves()})
	b.leaves += len(tree.Leaves())
	b.count++
	if len(b.changes) < 100 && b.leaves < 10_000 {
		return nil
	}
	return b.flush()
}

func (b *rebuilder) flush() error {
	if len(b.changes) == 0 {
		return nil
	}
	err := b.j.change(b.changes, 0)
	b.changes, b.leaves = nil, 0
	return err
}
