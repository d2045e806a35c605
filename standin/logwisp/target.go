package logwisp

import (
	"fmt"
	"path/filepath"
	"strings"

	"fairlead/logfile"
)

// logs is the pattern of a directory for which none is given.
const logs = "*.log"

// A Target is one file, or the files of one directory whose names match.
type Target struct {
	Path    string // absolute
	Pattern string // of names; only * and ? are special, and "" is every name; none of a file
	File    bool
}

// Spec returns the target as logfile.Set understands it.
func (t Target) Spec() string {
	if name, ok := t.name(); ok {
		return logfile.Literal(name)
	}
	pattern := t.Pattern
	for strings.Contains(pattern, "**") {
		pattern = strings.ReplaceAll(pattern, "**", "*") // two are one here, and never directories
	}
	if pattern == "" {
		pattern = "*"
	}
	return strings.TrimSuffix(directories.Replace(t.Path), "/") + "/" + patterns.Replace(pattern)
}

// What is special in a spec is not in a pattern of LogWisp, and nothing is in a
// directory. There a backslash is a class of its own: doublestar.SplitPattern
// does not take \\ for one in front of the first name that is a pattern.
var (
	patterns    = strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `{`, `\{`, `}`, `\}`)
	directories = strings.NewReplacer(`\`, `[\\]`, `[`, `\[`, `]`, `\]`, `{`, `\{`, `}`, `\}`, `*`, `\*`, `?`, `\?`)
)

// name returns the path of the one file that the target can mean; ok is false if
// it can mean several.
func (t Target) name() (path string, ok bool) {
	switch {
	case t.File:
		return t.Path, true
	case t.Pattern == "" || strings.ContainsAny(t.Pattern, "*?"):
		return "", false
	}
	return filepath.Join(t.Path, t.Pattern), true
}

// A givenTarget is a target as it was given.
type givenTarget struct {
	Target
	bare bool   // it is a path and nothing else: what there is decides
	rest string // of the text, too much
}

// parseTarget reads path[:pattern[:isfile]].
func parseTarget(text string) givenTarget {
	parts := strings.SplitN(text, ":", 4)
	t := givenTarget{Target: Target{Path: parts[0], Pattern: logs}, bare: len(parts) == 1}
	if len(parts) > 1 && parts[1] != "" {
		t.Pattern = parts[1]
	}
	if len(parts) > 2 {
		t.File = parts[2] == "true"
	}
	if len(parts) > 3 {
		t.rest = parts[3]
	}
	return t
}

func parseTargets(texts []string) []givenTarget {
	var ts []givenTarget
	for _, text := range texts {
		ts = append(ts, parseTarget(text))
	}
	return ts
}

// check refuses what LogWisp refused, and what it could never have matched but
// Fairlead would: names in other directories.
func (t givenTarget) check() error {
	switch {
	case t.Path == "":
		return fmt.Errorf("empty path")
	case strings.Contains(t.Path, ".."):
		return fmt.Errorf("path contains directory traversal")
	case t.rest != "":
		return fmt.Errorf("more than path:pattern:isfile: %s", t.rest)
	case t.File:
		return nil
	case t.Pattern == "." || t.Pattern == ".." || strings.ContainsRune(t.Pattern, '/'):
		return fmt.Errorf("no file has a name that matches: %s", t.Pattern)
	}
	return nil
}

// resolve says what the target is here and now. A bare path that does not exist
// is a file that is waited for, unless it ends as only a directory's does.
func (t givenTarget) resolve(env Environment) (Target, error) {
	endsAsDir := strings.HasSuffix(t.Path, "/")
	t.Path = env.abs(t.Path)
	if t.bare {
		fi, err := env.Stat(t.Path)
		t.File = err == nil && !fi.IsDir() || err != nil && !endsAsDir
	}
	if t.File {
		t.Pattern = ""
	}
	if name, ok := t.name(); ok {
		if fi, err := env.Stat(name); err == nil && fi.IsDir() {
			return Target{}, fmt.Errorf("a directory, not a file: %s", name)
		}
	}
	return t.Target, nil
}

func resolveTargets(given []givenTarget, env Environment) ([]Target, error) {
	if len(given) == 0 {
		return nil, fmt.Errorf("no monitor targets specified")
	}
	var ts []Target
	for i, g := range given {
		t, err := Target{}, g.check()
		if err == nil {
			t, err = g.resolve(env)
		}
		if err != nil {
			return nil, fmt.Errorf("target %d: %w", i, err)
		}
		ts = append(ts, t)
	}
	return ts, nil
}
