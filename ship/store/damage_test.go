package store

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"fairlead/replica"
)

const leaf = replica.LeafSize

// flip changes one byte of a file.
func flip(t testing.TB, file string, off int64) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	b := make([]byte, 1)
	_, err = f.ReadAt(b, off)
	must(t, err)
	b[0] ^= 0x10
	_, err = f.WriteAt(b, off)
	must(t, err)
}

// What is damaged at its end is noticed when the copy is opened, what is good of it
// is kept, and the damaged file too.
func TestF33Damage(t *testing.T) {
	const n = 3*leaf + 1000
	for _, c := range []struct {
		name   string
		n      int64
		damage func(t *testing.T, file string)
		good   int64 // bytes that are kept
		beside bool  // a damaged file is
		asIs   bool  // it is not noticed here: verify finds it
	}{
		{"nothing", n, func(*testing.T, string) {}, n, false, false},
		{"rest flipped", n, func(t *testing.T, file string) { flip(t, file, 3*leaf+5) }, 3 * leaf, true, false},
		{"rest and first leaf flipped", n, func(t *testing.T, file string) { flip(t, file, 3*leaf+5); flip(t, file, 5) }, 0, true, false},
		{"rest and last leaf flipped", n, func(t *testing.T, file string) { flip(t, file, n-1); flip(t, file, 3*leaf-1) }, 2 * leaf, true, false},
		{"middle flipped", n, func(t *testing.T, file string) { flip(t, file, leaf+5) }, n, false, true},
		{"cut by a byte", n, func(t *testing.T, file string) { must(t, os.Truncate(file, n-1)) }, 3 * leaf, true, false},
		{"cut in a leaf", n, func(t *testing.T, file string) { must(t, os.Truncate(file, leaf+1)) }, leaf, true, false},
		{"cut to nothing", n, func(t *testing.T, file string) { must(t, os.Truncate(file, 0)) }, 0, true, false},
		{"cut, and zeros instead", n, func(t *testing.T, file string) {
			must(t, os.Truncate(file, 2*leaf))
			must(t, os.Truncate(file, n))
		}, 2 * leaf, true, false},
		{"appended", n, func(t *testing.T, file string) {
			f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
			must(t, err)
			_, err = f.WriteString("more")
			must(t, errors.Join(err, f.Close()))
		}, n, false, false},
		{"missing", n, func(t *testing.T, file string) { must(t, os.Remove(file)) }, 0, false, false},
		{"another file", n, func(t *testing.T, file string) { must(t, os.WriteFile(file, text(9, n), 0o600)) }, 0, true, false},
		{"last full leaf flipped", 2 * leaf, func(t *testing.T, file string) { flip(t, file, 2*leaf-1) }, leaf, true, false},
		{"short and flipped", 10, func(t *testing.T, file string) { flip(t, file, 3) }, 0, true, false},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				s := opened(t, quick(t), Options{})
				p := text(3, int(c.n))
				x := shipped(t, s, id(1), "log/a", p)
				must(t, x.c.Close())
				c.damage(t, x.path(t))
				damaged, _ := os.ReadFile(x.path(t))
				if restart {
					s = reopened(t, s, Options{})
				}
				x = start(t, s, id(1), "log/a")
				if x.rec.N != c.good || found(t, s, id(1)).N != c.good {
					t.Errorf("%d bytes are good, want %d", x.rec.N, c.good)
				}
				files := tree(t, s)
				kept, beside := files["web1/log/a.diverged-20260301T120000Z"]
				if beside != c.beside || beside && kept != string(damaged) {
					t.Errorf("the store has %q, want the damaged file beside: %v", names(files), c.beside)
				}
				if noticed := c.good < c.n; noticed != (s.Stats().Damaged == 1) || noticed && len(s.Problems()) == 0 {
					t.Errorf("%d damaged copies, problems %v", s.Stats().Damaged, s.Problems())
				}
				if c.asIs {
					return
				}
				audited(t, s)
				must(t, x.grow(p[c.good:]))
				audited(t, s)
				if tree(t, s)["web1/log/a"] != string(p) {
					t.Error("sent again, the copy is another")
				}
			})
		}
	}
}

// Two copies that somebody exchanged are both mended.
func TestF33Swapped(t *testing.T) {
	s := opened(t, quick(t), Options{})
	a := shipped(t, s, id(1), "a", []byte("aaaa"))
	b := shipped(t, s, id(2), "b", []byte("bbbb"))
	must(t, errors.Join(a.c.Close(), b.c.Close()))
	must(t, os.Rename(a.path(t), a.path(t)+"x"))
	must(t, os.Rename(b.path(t), a.path(t)))
	must(t, os.Rename(a.path(t)+"x", b.path(t)))
	s = reopened(t, s, Options{})
	must(t, start(t, s, id(1), "a").grow([]byte("aaaa")))
	must(t, start(t, s, id(2), "b").grow([]byte("bbbb")))
	files := tree(t, s)
	if len(files) != 4 || files["web1/a"] != "aaaa" || files["web1/b"] != "bbbb" {
		t.Errorf("the store has %q", files)
	}
}

// A copy that is complete is not mended: nobody would send it again unasked. It is
// told, and verify finds the place.
func TestF33SealedIsKept(t *testing.T) {
	s := opened(t, quick(t), Options{})
	sealedCopy(t, s, id(1), "a", text(1, 2*leaf+9), clock)
	sealedCopy(t, s, id(2), "b", []byte("bytes"), clock)
	flip(t, filepath.Join(s.disk.Path, "web1", "a-20260301T120000Z.11111111"), leaf+1)
	must(t, os.Remove(filepath.Join(s.disk.Path, "web1", "b-20260301T120000Z.22222222")))
	s = reopened(t, s, Options{})
	if ps := s.Problems(); len(ps) != 1 || !strings.Contains(ps[0].What, "missing") {
		t.Errorf("the problems are %v", ps)
	}
	var got []string
	for fault, err := range s.Verify(t.Context(), Sel{Full: true}, nil) {
		must(t, err)
		got = append(got, filepath.Base(fault.File)[:1]+string(rune('0'+fault.Leaf)))
	}
	slices.Sort(got)
	if !slices.Equal(got, []string{"a1", "b/"}) { // '/' is '0' - 1
		t.Errorf("verify finds %q", got)
	}
	if found(t, s, id(1)).N != 2*leaf+9 || found(t, s, id(2)).N != 5 {
		t.Error("the records changed")
	}
	_, err := try(s, id(2), "b")
	wantBusy(t, err, "no such file")
	must(t, start(t, s, id(1), "a").c.Close())
}

// A directory that was copied back says less, and the rest is sent again.
func TestF34Backup(t *testing.T) {
	dir := quick(t)
	s := opened(t, dir, Options{})
	p := text(4, leaf+2000)
	shipped(t, s, id(1), "a", p[:leaf+10])
	must(t, s.Close())
	backup := filepath.Join(t.TempDir(), "backup")
	must(t, os.CopyFS(backup, os.DirFS(dir)))

	s = opened(t, dir, Options{})
	must(t, start(t, s, id(1), "a").grow(p[leaf+10:]))
	must(t, s.End(id(1), clock))
	shipped(t, s, id(2), "a", []byte("next"))
	must(t, s.Close())

	t.Run("all of it", func(t *testing.T) {
		s := opened(t, backup, Options{})
		x := start(t, s, id(1), "a")
		if x.rec.N != leaf+10 {
			t.Errorf("%d bytes, want those of the backup", x.rec.N)
		}
		must(t, x.grow(p[leaf+10:]))
		audited(t, s)
	})
	t.Run("the journal alone", func(t *testing.T) {
		b, err := os.ReadFile(filepath.Join(backup, ownDir, journalName))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, ownDir, journalName), b, 0o600))
		s := opened(t, dir, Options{})
		before := tree(t, s)
		x := start(t, s, id(1), "a")
		must(t, x.grow(p[x.rec.N:]))
		must(t, s.End(id(1), clock))
		shipped(t, s, id(2), "a", []byte("next"))
		after := tree(t, s)
		for name, content := range before {
			found := false
			for _, now := range after {
				found = found || strings.HasPrefix(now, content)
			}
			if !found {
				t.Errorf("what was in %s is nowhere", name)
			}
		}
		audited(t, s)
	})
}

// A read that fails is no damage.
func TestF33ReadError(t *testing.T) {
	s := opened(t, quick(t), Options{})
	x := shipped(t, s, id(1), "a", []byte("abc"))
	r, err := s.record(x.id)
	must(t, err)
	if _, err := s.endFits(r, failingReader{}); !errors.Is(err, syscall.EIO) {
		t.Errorf("endFits() = %v, want EIO", err)
	}
}

type failingReader struct{}

func (failingReader) ReadAt([]byte, int64) (int, error) { return 0, syscall.EIO }

var _ io.ReaderAt = failingReader{}
