package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// module is the path of this module, the prefix of every import of ours.
const module = "fairlead"

// maxText is the size beyond which a file is taken for data.
const maxText = 4 << 20

// A Tree is a module as the rules see it.
type Tree struct {
	Go    []*File           // every Go file outside testdata, whatever system it is for
	Texts map[string]string // every file that is text, by its path from the root
}

// A File is one Go file.
type File struct {
	Path string // from the module's root, with slashes
	Dir  string // of the package
	Test bool   // its name ends in _test.go

	syntax *ast.File
	fset   *token.FileSet
}

// Load reads the module whose root is fsys.
func Load(fsys fs.FS) (*Tree, error) {
	t := &Tree{Texts: make(map[string]string)}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && hidden(name):
			return fs.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		return t.add(fsys, name)
	})
	if err != nil {
		return nil, fmt.Errorf("load module: %w", err)
	}
	return t, nil
}

// hidden says that a directory is not part of the project: what tools keep
// there, and what make dist writes.
func hidden(dir string) bool {
	return dir == "dist" || dir != "." && dir != ".ci" && strings.HasPrefix(path.Base(dir), ".")
}

func (t *Tree) add(fsys fs.FS, name string) error {
	if info, err := fs.Stat(fsys, name); err != nil || info.Size() > maxText {
		return err
	}
	b, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	if bytes.IndexByte(b, 0) >= 0 {
		return nil
	}
	t.Texts[name] = string(b)
	if path.Ext(name) != ".go" || strings.Contains(name, "testdata/") {
		return nil
	}
	f := &File{Path: name, Dir: path.Dir(name), Test: strings.HasSuffix(name, "_test.go"), fset: token.NewFileSet()}
	f.syntax, err = parser.ParseFile(f.fset, name, b, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	t.Go = append(t.Go, f)
	return nil
}

// line returns the line of a place in the file.
func (f *File) line(p token.Pos) int { return f.fset.Position(p).Line }

// lines returns how many lines a piece of syntax takes.
func (f *File) lines(n ast.Node) int { return f.line(n.End()) - f.line(n.Pos()) + 1 }

// part returns the part of the house the file is in: serve for serve/x,
// internal/inotify for internal/inotify/x.
func (f *File) part() string { return partOf(f.Dir) }

func partOf(dir string) string {
	head, rest, _ := strings.Cut(dir, "/")
	if head == "internal" {
		below, _, _ := strings.Cut(rest, "/")
		return path.Join(head, below)
	}
	return head
}

// An Import is one import of one file.
type Import struct {
	Path string
	Ours string // the directory of an own package, otherwise empty
	Name string // what the file calls it
	Line int
}

// part is the part of the house an import is of, "" if it is not ours.
func (i Import) part() string { return partOf(i.Ours) }

func (f *File) imports() []Import {
	var is []Import
	for _, spec := range f.syntax.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			panic("bug: the parser let an import path pass: " + spec.Path.Value)
		}
		i := Import{Path: p, Name: lastName(p), Line: f.line(spec.Pos())}
		if spec.Name != nil {
			i.Name = spec.Name.Name
		}
		i.Ours, _ = strings.CutPrefix(p, module+"/")
		if i.Ours == p {
			i.Ours = ""
		}
		is = append(is, i)
	}
	return is
}

// lastName guesses the name of a package from its path: what follows the last
// slash, a version aside.
func lastName(importPath string) string {
	dir, name := path.Split(importPath)
	if v, ok := strings.CutPrefix(name, "v"); ok && dir != "" {
		if _, err := strconv.Atoi(v); err == nil {
			return path.Base(dir)
		}
	}
	return name
}

// uses returns the lines that mention one of the names of a package, as os.Exit.
func (f *File) uses(importPath string, names ...string) []int {
	var local string
	for _, i := range f.imports() {
		if i.Path == importPath {
			local = i.Name
		}
	}
	if local == "" {
		return nil
	}
	var lines []int
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == local && slices.Contains(names, sel.Sel.Name) {
			lines = append(lines, f.line(sel.Pos()))
		}
		return true
	})
	return lines
}
