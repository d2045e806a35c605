package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// A Why says in words why a file is, or is not, collected.
type Why struct {
	Path      string // absolute, or the name of a log that is told its news
	Collected bool
	Target    string // the target that decided, as it was given; empty: none covers the file
	Rule      string // what decided
	Cure      string // what to do about it; may be empty
	Log       *Log   // if collected
	OlderOf   *Log   // if it is an older generation of this log
}

// Why says why path is, or is not, collected.
func (s *Set) Why(path string) Why {
	s.setup()
	if l := s.toldNamed(path); l != nil {
		return whyTold(l)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return Why{Path: path, Rule: err.Error()}
	}
	w := Why{Path: abs}
	if l := s.log(abs); l != nil {
		return s.whyCollected(w, l)
	}
	if s.skipped(abs) {
		w.Rule = "it is in a directory that Fairlead itself writes to"
		return w
	}
	i, err := lstat(abs)
	if err == nil && i.mode.IsDir() {
		w.Rule, w.Cure = "it is a directory", "ask about a file in it"
		return w
	}
	for _, base := range rotatedBases(filepath.Base(abs)) {
		w.OlderOf = s.log(filepath.Join(filepath.Dir(abs), base))
		if w.OlderOf != nil {
			break
		}
	}
	s.mu.Lock()
	targets := s.targets
	s.mu.Unlock()
	for _, t := range targets {
		v := t.judge(abs, i.mode, func(name string) bool { return w.OlderOf != nil && filepath.Base(w.OlderOf.name) == name })
		if t.kind == fileTarget || v.yes || t.kind == dirTarget && !within(abs, t.base) || t.kind == globTarget && !t.covers(filepath.Dir(abs)) {
			continue
		}
		w.Target, w.Rule, w.Cure = t.spec, v.rule, v.cure
	}
	switch {
	case w.OlderOf != nil && err == nil && w.Rule == "":
		w.Rule = "it is an older generation of " + w.OlderOf.name + ", and read as such"
		w.Cure = nameIt + " to read it as a log of its own"
	case errors.Is(err, fs.ErrNotExist):
		w.Rule, w.Cure = "there is no such file", "check the name; a file that is named as a target is waited for"
	case err != nil:
		w.Rule, w.Cure = err.Error(), "run as a user who may look there"
	case w.Rule == "":
		w.Rule, w.Cure = "no target covers it", "name it, its directory, or a glob that matches it"
	}
	return w
}

func (s *Set) whyCollected(w Why, l *Log) Why {
	w.Collected, w.Log, w.Rule = true, l, "it is followed since its older generation was"
	s.mu.Lock()
	targets := s.targets
	s.mu.Unlock()
	for _, t := range targets {
		if v, _ := t.judgeName(w.Path); v.yes && t.covers(filepath.Dir(w.Path)) {
			w.Target, w.Rule = t.spec, v.rule
			break
		}
	}
	switch st := l.Stat(); {
	case errors.Is(st.Err, ErrParked):
		w.Rule += ", but it is rewritten in place again and again, so nothing is read of it now"
		w.Cure = fmt.Sprintf("leave it alone for %s; logs are files that grow", s.ParkFor)
	case errors.Is(st.Err, fs.ErrPermission):
		w.Rule += ", but we may not read it"
		w.Cure = "run as a user or group that may: often group adm"
	case st.Err != nil:
		w.Rule += fmt.Sprintf(", but it cannot be read: %v", st.Err)
	case st.Current == nil:
		w.Rule += ", but it does not exist yet; it is waited for"
	}
	return w
}
