package archtest

import (
	"cmp"
	"fmt"
	"slices"
)

// A Rule is something that holds everywhere in the house, and why it must.
type Rule struct {
	Name  string
	Why   string
	Check func(*Tree) []Breach
}

// A Breach is one place that breaks a rule.
type Breach struct {
	Path string // the file
	Line int    // in it; 0 if the file as a whole is meant
	Func string // the function that is meant, if one is
	What string // what is wrong there
}

// place is what an exception calls a breach: the file, or FILE#FUNCTION.
func (b Breach) place() string {
	if b.Func != "" {
		return b.Path + "#" + b.Func
	}
	return b.Path
}

func (b Breach) String() string {
	if b.Line == 0 {
		return fmt.Sprintf("%s: %s", b.Path, b.What)
	}
	return fmt.Sprintf("%s:%d: %s", b.Path, b.Line, b.What)
}

// Judge returns the breaches of the rule that allowed does not name, and what
// allowed names for nothing. The keys of allowed are places, its values reasons.
func (r Rule) Judge(t *Tree, allowed map[string]string) (breaches []Breach, unneeded []string) {
	met := make(map[string]bool)
	for _, b := range r.Check(t) {
		if allowed[b.place()] != "" {
			met[b.place()] = true
			continue
		}
		breaches = append(breaches, b)
	}
	for place := range allowed {
		if !met[place] {
			unneeded = append(unneeded, place)
		}
	}
	slices.SortFunc(breaches, func(a, b Breach) int { return cmp.Compare(a.String(), b.String()) })
	slices.Sort(unneeded)
	return breaches, unneeded
}

// imports makes a rule of the imports that are wrong.
func imports(name, why string, wrong func(*File, Import) bool) Rule {
	return Rule{name, why, func(t *Tree) []Breach {
		var bs []Breach
		for _, f := range t.Go {
			for _, i := range f.imports() {
				if wrong(f, i) {
					bs = append(bs, Breach{Path: f.Path, Line: i.Line, What: "imports " + i.Path})
				}
			}
		}
		return bs
	}}
}

// calls makes a rule of what the bound files must not call, or mention: names
// by the path of their package.
func calls(name, why string, bound func(*File) bool, banned map[string][]string) Rule {
	return Rule{name, why, func(t *Tree) []Breach {
		var bs []Breach
		for _, f := range t.Go {
			if !bound(f) {
				continue
			}
			for pkg, names := range banned {
				for _, name := range names {
					for _, line := range f.uses(pkg, name) {
						bs = append(bs, Breach{Path: f.Path, Line: line, What: "uses " + lastName(pkg) + "." + name})
					}
				}
			}
		}
		return bs
	}}
}

// files makes a rule of what is wrong with a Go file.
func files(name, why string, wrong func(*File) []Breach) Rule {
	return Rule{name, why, func(t *Tree) []Breach {
		var bs []Breach
		for _, f := range t.Go {
			bs = append(bs, wrong(f)...)
		}
		return bs
	}}
}
