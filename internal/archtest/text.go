package archtest

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"strings"
)

// machinePath is a path below a directory that only one machine or one person has.
var machinePath = regexp.MustCompile(`(^|[^\w.~/-])/(home|Users|root|work|workspace|builds)[/][\w.-]`)

var noMachine = Rule{"nothing names a path of a machine",
	"the repository is the same for everyone who has it",
	func(t *Tree) []Breach {
		var bs []Breach
		for name, text := range t.Texts {
			for i, line := range strings.Split(text, "\n") {
				if m := machinePath.FindString(line); m != "" {
					bs = append(bs, Breach{Path: name, Line: i + 1, What: fmt.Sprintf("names %q", strings.TrimSpace(line))})
				}
			}
		}
		return bs
	}}

var (
	testName = regexp.MustCompile(`\b(Test|Fuzz|Benchmark|Example)[A-Z]\w*`)
	fileName = regexp.MustCompile("`((?:[\\w.-]+/)*[\\w.-]+\\.(?:go|md|txtar))`" + `|\]\(([\w./-]+)\)`)
)

var documents = Rule{"documents name what is there",
	"a promise whose test is gone is no promise, and a map that names a place must lead to it",
	func(t *Tree) []Breach {
		tests := t.tests()
		var bs []Breach
		for name, text := range t.Texts {
			if path.Ext(name) != ".md" || name == "CHANGELOG.md" {
				continue
			}
			for i, line := range strings.Split(text, "\n") {
				for _, test := range testName.FindAllString(line, -1) {
					if !tests[test] {
						bs = append(bs, Breach{Path: name, Line: i + 1, What: "there is no " + test})
					}
				}
				for _, m := range fileName.FindAllStringSubmatch(line, -1) {
					if file := m[1] + m[2]; !t.has(path.Dir(name), file) {
						bs = append(bs, Breach{Path: name, Line: i + 1, What: "there is no " + file})
					}
				}
			}
		}
		return bs
	}}

// tests returns the names of all test functions.
func (t *Tree) tests() map[string]bool {
	names := make(map[string]bool)
	for _, f := range t.Go {
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.Test && fn.Recv == nil {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}

// has says that a document in dir may name a file or directory: from the root,
// or from where it is itself. A Go file without a directory is anywhere.
func (t *Tree) has(dir, file string) bool {
	anywhere := !strings.Contains(file, "/") && path.Ext(file) == ".go"
	here, root := path.Join(dir, file), path.Clean(file)
	for name := range t.Texts {
		if name == here || name == root || anywhere && path.Base(name) == file ||
			strings.HasPrefix(name, here+"/") || strings.HasPrefix(name, root+"/") {
			return true
		}
	}
	return false
}

var decided = Rule{"a dependency has its reason in doc/decisions",
	"few and well-known modules: the page that names it says why it is here and what was left out",
	func(t *Tree) []Breach {
		var pages strings.Builder
		for name, text := range t.Texts {
			if path.Dir(name) == "doc/decisions" {
				pages.WriteString(text)
			}
		}
		var bs []Breach
		for _, f := range t.Go {
			for _, i := range f.imports() {
				if !namesModule(pages.String(), i.Path) {
					bs = append(bs, Breach{Path: f.Path, Line: i.Line, What: "imports " + i.Path})
				}
			}
		}
		return bs
	}}

// namesModule says that pages have the path of the import's module, or of the
// package, in backquotes. What is ours or Go's own needs no page.
func namesModule(pages, importPath string) bool {
	if host, _, _ := strings.Cut(importPath, "/"); !strings.Contains(host, ".") {
		return true
	}
	for p := importPath; p != "."; p = path.Dir(p) {
		if strings.Contains(pages, "`"+p+"`") {
			return true
		}
	}
	return false
}
