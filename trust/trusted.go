package trust

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"fairlead/internal/durable"
)

// Trusted are the machines that a machine knows, in a text file that is much like
// authorized_keys:
//
//	NAME KEY ROLES [ADDR...]
//
// Empty lines and those that begin with # say nothing. A line that cannot be
// understood gives nobody anything, and [Trusted.List] tells of it. What is changed
// in the file, also by another process or an editor, counts from then on; where it
// is deleted nobody is trusted. Its fields are set before use.
type Trusted struct {
	Path string // of the file, which need not exist

	mu   sync.Mutex // guards what follows
	file textFile[machines]
}

var (
	// ErrNotTrusted is for a machine that has no line, or none any more.
	ErrNotTrusted = errors.New("no such machine is trusted")
	// ErrNameTaken is for a name that another key has.
	ErrNameTaken = errors.New("another machine has this name")
)

// read returns what the file says now.
func (t *Trusted) read() (machines, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ms, err := t.file.read(t.Path, parseMachines)
	if err == nil && ms.lines > maxLines {
		err = fmt.Errorf("%s has more than %d lines: take out those that are no longer needed", t.Path, maxLines)
	}
	if err != nil {
		return machines{}, err
	}
	return ms, nil
}

// Lookup returns the machine with that key. There is none where the file cannot be
// read; List says why.
func (t *Trusted) Lookup(key PublicKey) (Machine, bool) {
	ms, _ := t.read()
	return ms.lookup(key)
}

// Named returns the machine of that name.
func (t *Trusted) Named(name string) (Machine, bool) {
	ms, _ := t.read()
	return ms.named(name)
}

// List returns all machines, in the order of the file, and the lines that count
// for nothing.
func (t *Trusted) List() ([]Machine, []BadLine, error) {
	ms, err := t.read()
	return slices.Clone(ms.list), slices.Clone(ms.bad), err
}

// Add writes the line of a machine. If it is there, with the same name and key, it
// gets the roles beside those it has, and the addresses instead, if there are any.
// A name that another key has is [ErrNameTaken].
func (t *Trusted) Add(m Machine) error {
	if err := m.Valid(); err != nil {
		return err
	}
	err := t.change(func(ms machines) (Machine, error) {
		old, known := ms.lookup(m.Key)
		switch other, taken := ms.named(m.Name); {
		case known && old.Name != m.Name:
			return m, fmt.Errorf("its key is known by the name %s: `fairlead key remove %[1]s` first", old.Name)
		case taken && other.Key != m.Key:
			return m, fmt.Errorf("%w: %s", ErrNameTaken, other.Key)
		case known:
			return old.with(m), nil
		}
		return m, nil
	})
	if err != nil {
		return fmt.Errorf("trust %s: %w", m.Name, err)
	}
	return nil
}

// Admit is Add for a machine that named itself: one whose key is known keeps the
// name it has, and where another has the name it becomes NAME-2, or the next that
// is free. The machine is returned as it is now.
func (t *Trusted) Admit(m Machine) (Machine, error) {
	if err := m.Valid(); err != nil {
		return Machine{}, err
	}
	err := t.change(func(ms machines) (Machine, error) {
		if old, known := ms.lookup(m.Key); known {
			m = old.with(m)
			return m, nil
		}
		wished := m.Name
		for n := 2; ; n++ {
			if _, taken := ms.named(m.Name); !taken {
				return m, nil
			}
			suffix := fmt.Sprintf("-%d", n)
			m.Name = wished[:min(len(wished), maxMachineName-len(suffix))] + suffix
		}
	})
	if err != nil {
		return Machine{}, fmt.Errorf("trust %s: %w", m.Name, err)
	}
	return m, nil
}

// with returns the machine with what is new about it.
func (m Machine) with(more Machine) Machine {
	m.Roles = slices.Clone(m.Roles)
	for _, r := range more.Roles {
		if !m.Has(r) {
			m.Roles = append(m.Roles, r)
		}
	}
	if len(more.Addrs) > 0 {
		m.Addrs = more.Addrs
	}
	return m
}

// Remove takes out the machine with that name or key, with all that is said of
// either, so that no line which did not count comes to count. It returns the
// machine, or [ErrNotTrusted].
func (t *Trusted) Remove(nameOrKey string) (gone Machine, err error) {
	err = t.rewrite(func(b []byte) ([]byte, error) {
		ms := parseMachines(b)
		var known bool
		if gone, known = ms.named(nameOrKey); !known {
			key, err := ParsePublicKey(nameOrKey)
			if err != nil {
				return nil, ErrNotTrusted
			}
			if gone, known = ms.lookup(key); !known {
				return nil, ErrNotTrusted
			}
		}
		var kept []byte
		for line := range bytes.Lines(b) {
			f := strings.Fields(string(line))
			if len(f) > 1 && (f[0] == gone.Name || f[1] == gone.Key.String()) {
				continue
			}
			kept = append(kept, line...)
		}
		return kept, nil
	})
	if err != nil {
		return Machine{}, fmt.Errorf("remove %s: %w", clip(nameOrKey), err)
	}
	return gone, nil
}

// change writes the line that decide returns in the place of that with the same
// key, or at the end.
func (t *Trusted) change(decide func(machines) (Machine, error)) error {
	return t.rewrite(func(b []byte) ([]byte, error) {
		ms := parseMachines(b)
		m, err := decide(ms)
		if err == nil {
			err = m.Valid()
		}
		if err != nil {
			return nil, err
		}
		lines := slices.Collect(bytes.Lines(b))
		text := []byte(m.line() + "\n")
		if i, known := ms.byKey[m.Key]; known {
			lines[ms.at[i]] = text
		} else {
			if n := len(lines); n > 0 && !bytes.HasSuffix(lines[n-1], []byte("\n")) {
				lines[n-1] = append(slices.Clone(lines[n-1]), '\n')
			}
			lines = append(lines, text)
		}
		if len(lines) > maxLines {
			return nil, fmt.Errorf("%s is full", t.Path)
		}
		return bytes.Join(lines, nil), nil
	})
}

// rewrite replaces the file, while no other process of ours does. edit is given
// what it says, and returns what it is to say.
func (t *Trusted) rewrite(edit func([]byte) ([]byte, error)) error {
	unlock, err := lockBeside(t.Path)
	if err != nil {
		return err
	}
	defer unlock()
	mode := fs.FileMode(0o600)
	fi, old, err := readText(t.Path)
	switch {
	case err == nil:
		mode = fi.Mode().Perm()
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	text, err := edit(old)
	if err != nil || bytes.Equal(text, old) {
		return err
	}
	if len(text) > maxFile {
		return tooLarge(t.Path)
	}
	return durable.Replace(t.Path, func(f *os.File) error {
		if _, err := f.Write(text); err != nil {
			return err
		}
		return cmp.Or(f.Chmod(mode), giveToOwner(t.Path, f))
	})
}

// Held returns a context that ends with ctx, or within [Recheck] of the moment when
// the line of the machine is gone or gives it another name or other roles. done is
// called when nothing depends on it any more.
func (t *Trusted) Held(ctx context.Context, m Machine) (held context.Context, done func()) {
	return while(ctx, Recheck, func() bool {
		ms, err := t.read()
		return err != nil || ms.holds(m)
	})
}

// Recheck is how often it is asked whether a machine with a connection is still
// trusted.
const Recheck = time.Second

// holds says whether a machine is still what it was.
func (ms machines) holds(m Machine) bool {
	now, known := ms.lookup(m.Key)
	return known && now.equal(m)
}

// while returns a context that ends with ctx, or when holds says no, which it is
// asked so often. done ends it, and returns when all has ended.
func while(ctx context.Context, often time.Duration, holds func() bool) (held context.Context, done func()) {
	held, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		tick := time.NewTicker(often)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-held.Done():
				return
			}
			if !holds() {
				cancel()
			}
		}
	})
	return held, func() {
		cancel()
		watch.Wait()
	}
}
