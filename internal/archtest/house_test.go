package archtest

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// TestHouse holds the module to every rule.
func TestHouse(t *testing.T) {
	tree, err := Load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range House {
		t.Run(strings.ReplaceAll(r.Name, " ", "-"), func(t *testing.T) {
			breaches, unneeded := r.Judge(tree, exceptions[r.Name])
			for _, b := range breaches {
				t.Errorf("%v\n\trule: %s\n\twhy:  %s", b, r.Name, r.Why)
			}
			for _, place := range unneeded {
				t.Errorf("exceptions[%q] names %s, which breaks nothing: remove it", r.Name, place)
			}
		})
	}
}

// TestExceptions looks for exceptions to rules there are not, and for missing reasons.
func TestExceptions(t *testing.T) {
	rules := make(map[string]bool)
	for _, r := range House {
		rules[r.Name] = true
	}
	for rule, places := range exceptions {
		if !rules[rule] {
			t.Errorf("exceptions[%q]: there is no such rule", rule)
		}
		for place, reason := range places {
			if reason == "" {
				t.Errorf("exceptions[%q][%q] = %q, want a reason", rule, place, reason)
			}
		}
	}
}

// A plant is a module of a few files, and the place in it that breaks the rule
// it is planted for; "" if none does.
type plant struct {
	files map[string]string // contents by path; a Go file's package clause is added
	want  string
}

// TestRules plants small breaches of every rule, and what comes close to one
// and is none.
func TestRules(t *testing.T) {
	for _, r := range House {
		t.Run(strings.ReplaceAll(r.Name, " ", "-"), func(t *testing.T) {
			caught := false
			for i, p := range plants[r.Name] {
				breaches, _ := r.Judge(p.tree(t), nil)
				var got []string
				for _, b := range breaches {
					got = append(got, b.place())
				}
				if s := strings.Join(got, " "); s != p.want {
					t.Errorf("plant %d: Judge = %q, want %q (%v)", i, s, p.want, breaches)
				}
				caught = caught || p.want != ""
			}
			if !caught {
				t.Errorf("no breach of %q is planted", r.Name)
			}
		})
	}
}

func (p plant) tree(t *testing.T) *Tree {
	t.Helper()
	fsys := make(fstest.MapFS)
	for name, text := range p.files {
		if strings.HasSuffix(name, ".go") && !strings.Contains(text, "package ") {
			text = "package x\n" + text
		}
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	tree, err := Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// TestJudgeExceptions checks that an exception excuses its own place only, and
// is found when nothing needs it.
func TestJudgeExceptions(t *testing.T) {
	p := one("serve/a.go", `import "encoding/json"`, "")
	p.files["serve/b.go"] = `import "encoding/json"`
	allowed := map[string]string{"serve/a.go": "a listing", "serve/c.go": "gone"}
	for _, r := range House {
		if r.Name != "bytes are not looked into: json" {
			continue
		}
		breaches, unneeded := r.Judge(p.tree(t), allowed)
		if got := fmt.Sprint(breaches, unneeded); got != "[serve/b.go:2: imports encoding/json] [serve/c.go]" {
			t.Errorf("Judge(%v) = %v", allowed, got)
		}
		return
	}
	t.Error("the rule is gone")
}

// one is a plant of one file.
func one(path, text, want string) plant {
	return plant{map[string]string{path: text}, want}
}

// lines is a Go file's body of n lines.
func lines(n int) string { return strings.Repeat("// line\n", n) }
