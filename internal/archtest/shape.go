package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

// A page and a screen.
const (
	maxFileLines = 500
	maxFuncLines = 70
)

var known = files("every package has a floor",
	"a package that is on no floor of DESIGN section 3 obeys none of its rules; give it a line there and in archtest",
	func(f *File) []Breach {
		if _, ok := floors[f.part()]; ok {
			return nil
		}
		return []Breach{{Path: f.Path, What: f.part() + " is not a part of the house"}}
	})

var noBatch = Rule{"bbolt's Batch is never called",
	"it waits 10 ms for company; our committers take what has come and do not wait",
	func(t *Tree) []Breach {
		store := make(map[string]bool) // packages that use bbolt
		for _, f := range t.Go {
			store[f.Dir] = store[f.Dir] || slices.ContainsFunc(f.imports(), func(i Import) bool { return i.Path == "go.etcd.io/bbolt" })
		}
		var bs []Breach
		for _, f := range t.Go {
			if store[f.Dir] {
				bs = append(bs, f.selectors("Batch")...)
			}
		}
		return bs
	}}

// selectors returns every x.name of the file.
func (f *File) selectors(name string) []Breach {
	var bs []Breach
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == name {
			bs = append(bs, Breach{Path: f.Path, Line: f.line(s.Sel.Pos()), What: "uses ." + name})
		}
		return true
	})
	return bs
}

var emptyName = regexp.MustCompile(`^(util|common|core|manager|type|helper)s?$`)

var names = files("packages have names that say something",
	"a name that says nothing (util, common, core, manager, types, helper) collects everything",
	func(f *File) []Breach {
		for _, name := range []string{f.syntax.Name.Name, path.Base(f.Dir)} {
			if emptyName.MatchString(strings.TrimSuffix(name, "_test")) {
				return []Breach{{Path: f.Path, What: "the package is called " + name}}
			}
		}
		return nil
	})

var packageDoc = Rule{"every package says what it does not do",
	"nobody says what a package is not for unless asked: the second paragraph of its doc has the words \"does not\"",
	func(t *Tree) []Breach {
		said := make(map[string]bool)
		for _, f := range t.Go {
			if !f.Test {
				said[f.Dir] = said[f.Dir] || saysNot(f.syntax.Doc.Text())
			}
		}
		var bs []Breach
		for dir, ok := range said {
			if !ok {
				bs = append(bs, Breach{Path: dir, What: "no package doc whose second paragraph says what it does not do"})
			}
		}
		return bs
	}}

func saysNot(doc string) bool {
	paragraphs := strings.Split(doc, "\n\n")
	return len(paragraphs) > 1 && strings.Contains(strings.Join(strings.Fields(paragraphs[1]), " "), "does not")
}

var fileSize = files(fmt.Sprintf("files have at most %d lines", maxFileLines),
	"a file is one idea, and a page; tests and tables aside",
	func(f *File) []Breach {
		if f.Test {
			return nil
		}
		n := f.fset.File(f.syntax.Pos()).LineCount()
		for _, d := range f.syntax.Decls {
			if tableDecl(d) {
				n -= f.lines(d)
			}
		}
		if n <= maxFileLines {
			return nil
		}
		return []Breach{{Path: f.Path, What: fmt.Sprintf("%d lines", n)}}
	})

var funcSize = files(fmt.Sprintf("functions have at most %d lines", maxFuncLines),
	"a function is a screen; beauty is decided by the longest; tests and tables aside",
	func(f *File) []Breach {
		if f.Test {
			return nil
		}
		var bs []Breach
		long := func(name string, n ast.Node) {
			if lines := f.lines(n); lines > maxFuncLines {
				bs = append(bs, Breach{Path: f.Path, Line: f.line(n.Pos()), Func: name, What: fmt.Sprintf("%s has %d lines", name, lines)})
			}
		}
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				if !tableFunc(fn) {
					long(funcName(fn), fn)
				}
				continue
			}
			ast.Inspect(d, func(n ast.Node) bool {
				if lit, ok := n.(*ast.FuncLit); ok {
					long("func", lit)
				}
				return true
			})
		}
		return bs
	})

// funcName returns Function, or Type.Method.
func funcName(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return fn.Name.Name
	}
	typ := fn.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if id, ok := typ.(*ast.Ident); ok {
		return id.Name + "." + fn.Name.Name
	}
	return fn.Name.Name
}

// tableDecl says that a declaration is nothing but tables.
func tableDecl(d ast.Decl) bool {
	g, ok := d.(*ast.GenDecl)
	if !ok || g.Tok != token.VAR {
		return false
	}
	for _, s := range g.Specs {
		if !tables(s.(*ast.ValueSpec).Values) {
			return false
		}
	}
	return true
}

// tableFunc says that a function does nothing but return a table.
func tableFunc(fn *ast.FuncDecl) bool {
	if fn.Body == nil || len(fn.Body.List) != 1 {
		return false
	}
	r, ok := fn.Body.List[0].(*ast.ReturnStmt)
	return ok && tables(r.Results)
}

func tables(values []ast.Expr) bool {
	return len(values) > 0 && !slices.ContainsFunc(values, func(e ast.Expr) bool { return !table(e) })
}

// table says that an expression is a composite literal without code in it.
func table(e ast.Expr) bool {
	if _, ok := e.(*ast.CompositeLit); !ok {
		return false
	}
	plain := true
	ast.Inspect(e, func(n ast.Node) bool {
		_, code := n.(*ast.FuncLit)
		plain = plain && !code
		return plain
	})
	return plain
}

var noContextField = files("a context is never in a struct",
	"it is the first parameter of what waits; kept in a struct it outlives its call",
	func(f *File) []Breach {
		var bs []Breach
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			s, ok := n.(*ast.StructType)
			if !ok {
				return true
			}
			for _, field := range s.Fields.List {
				if f.holdsContext(field.Type) {
					bs = append(bs, Breach{Path: f.Path, Line: f.line(field.Pos()), What: "a field holds a context.Context"})
				}
			}
			return true
		})
		return bs
	})

// holdsContext says that a value of a type has a context in it; functions and
// interfaces only take one.
func (f *File) holdsContext(typ ast.Expr) bool {
	held := false
	ast.Inspect(typ, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncType, *ast.InterfaceType, *ast.StructType:
			return false
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			held = held || ok && x.Name == "context" && n.Sel.Name == "Context"
		}
		return true
	})
	return held
}
