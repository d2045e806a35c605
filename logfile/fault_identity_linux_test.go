package logfile_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"syscall"
	"testing"
)

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	fi, err := os.Lstat(path)
	must(t, err)
	return fi.Sys().(*syscall.Stat_t).Ino
}

// recreate unlinks the file and makes a new one with the same inode. It skips
// the test where the file system does not reuse them.
func (w *refWriter) recreate() {
	w.t.Helper()
	ino, aside := inode(w.t, w.path), w.t.TempDir()
	must(w.t, w.f.Close())
	w.remove()
	// Beside the path: other tests make files, too, and each wrong one would be
	// a generation of the log.
	made := w.path + "#"
	for i := range 1000 {
		f, err := os.OpenFile(made, os.O_CREATE|os.O_EXCL|os.O_APPEND|os.O_WRONLY, 0o644)
		must(w.t, err)
		if inode(w.t, made) == ino {
			must(w.t, os.Rename(made, w.path))
			w.t.Cleanup(func() { f.Close() })
			w.f = f
			w.turnPage()
			return
		}
		must(w.t, f.Close())
		must(w.t, os.Rename(made, filepath.Join(aside, fmt.Sprint(i))))
	}
	w.t.Skip("this file system does not reuse inodes: 1000 new files, none with the inode of the one deleted before")
}

// Deleted and made anew with the same inode: a new generation, if the content
// tells.
func TestF08InodeReused(t *testing.T) {
	for _, n := range []int{9, 63, 64, 4096, 10_000} {
		for _, same := range []int{0, 5, 60, 4000} {
			if same >= n {
				continue
			}
			t.Run(fmt.Sprintf("size=%d/same=%d", n, same), func(t *testing.T) {
				eachWay(t, func(x *fixture) { reuse(x, n, same) }, live, down, cursor, paused)
			})
		}
	}
}

// reuse replaces a file of n bytes by one with the same inode, not smaller, that
// differs from byte same on.
func reuse(x *fixture, n, same int) {
	x.conf.ParkAfter = -1 // three breaks of content are three too many otherwise
	w := newWriter(x.t, x.path("app.log"))
	w.raw(text(1, n))
	r := x.follow("app.log")
	r.expect(w.contents()...)
	x.awaitIdle()
	for i := range 3 {
		x.strike(func() {
			w.recreate()
			w.raw(append(text(1, same), text(2+i, n-same+i)...))
		})
		r.expect(w.contents()...)
		x.awaitIdle()
	}
	x.judge(w)
	wantLost(x.t, r)
}

// A thousand times, restart between.
func TestF08InodeReusedOften(t *testing.T) {
	t.Parallel()
	x := newFixture(t, down)
	x.conf.ParkAfter = -1
	w := newWriter(t, x.path("app.log"))
	w.write(2)
	r := x.follow("app.log")
	for range night(t, "inodes reused", 30, 1000) {
		r.expect(w.contents()...)
		x.strike(func() {
			w.recreate()
			w.write(2)
		})
	}
	x.judge(w)
}

// With a rotation between, and gzip: A2.
func TestA2InodeReusedAfterRotation(t *testing.T) {
	for _, gzip := range []bool{false, true} {
		t.Run(fmt.Sprintf("gzip=%v", gzip), func(t *testing.T) {
			eachWay(t, func(x *fixture) {
				w := newWriter(t, x.path("app.log"))
				w.write(9)
				r := x.follow("app.log")
				r.expect(w.contents()...)
				x.awaitIdle()
				x.strike(func() {
					ino := inode(t, w.path)
					w.f.Close()
					w.rename(w.path, w.path+".1")
					if gzip {
						compress(t, w.path+".1")
					} else {
						must(t, os.Remove(w.path+".1"))
					}
					w.openWith(ino)
					w.write(20)
				})
				x.judge(w)
				wantLost(t, r)
			}, live, down, cursor, paused)
		})
	}
}

// openWith makes the file with an inode that is free, if that can be had soon.
func (w *refWriter) openWith(ino uint64) {
	w.t.Helper()
	aside := w.t.TempDir()
	for i := range 100 {
		w.open()
		if inode(w.t, w.path) == ino {
			return
		}
		w.rename(w.path, filepath.Join(aside, fmt.Sprint(i)))
		w.ledger = w.ledger[:len(w.ledger)-1]
	}
	w.open()
}

// Rotated twice, all generations with the same beginning, which is all we had
// read: each goes on where its inode says.
func TestF08bEqualBeginnings(t *testing.T) {
	for _, n := range []int{0, 9, 63, 64, 4096} {
		t.Run(fmt.Sprintf("equal=%d", n), func(t *testing.T) {
			eachWay(t, func(x *fixture) {
				w := newWriter(t, x.path("app.log"))
				w.raw(text(1, n))
				r := x.follow("app.log")
				r.expect(w.contents()...)
				x.strike(func() {
					w.raw([]byte("the first goes on\n"))
					w.rotate()
					w.raw(append(text(1, n), "the second\n"...))
					w.rotate()
					w.raw(append(text(1, n), "the third\n"...))
				})
				x.judge(w)
				wantLost(t, r)
			}, live, down, cursor, paused)
		})
	}
}

// The one we were in is gone, and two others begin as it did: neither continues
// it, each is delivered as itself.
func TestF08bNoneHasTheInode(t *testing.T) {
	for _, n := range []int{9, 63, 64, 4096} {
		t.Run(fmt.Sprintf("equal=%d", n), func(t *testing.T) {
			eachWay(t, func(x *fixture) {
				w := newWriter(t, x.path("app.log"))
				w.raw(text(1, n))
				r := x.follow("app.log")
				r.expect(w.contents()...)
				x.strike(func() {
					w.rotate()
					w.raw(append(text(1, n), "the second\n"...))
					w.rotate()
					w.raw(append(text(1, n), "the third\n"...))
					w.rotate()
					must(t, os.Remove(w.path+".3"))
					w.raw([]byte("the fourth\n"))
				})
				x.judge(w)
				wantLost(t, r)
			}, live, down, cursor)
		})
	}
}

// What begins with all we had proven of a file that was cut is not taken for its
// copy if there are two such, or if that was little.
func TestF08bNotTheCopy(t *testing.T) {
	tests := map[string]struct {
		lengths []int    // of what was proven
		beside  []string // what appears meanwhile
	}{
		"two":    {[]int{63, 64, 4096}, []string{"app.log.old", "app.log.1"}},
		"little": {[]int{9, 63}, nil},
	}
	for name, tt := range tests {
		for _, n := range tt.lengths {
			t.Run(fmt.Sprintf("%s/equal=%d", name, n), func(t *testing.T) {
				eachWay(t, func(x *fixture) { cutBeside(x, text(1, n), tt.beside) }, live, down, paused)
			})
		}
	}
}

// cutBeside cuts a file when others that begin like it are beside it: one from
// before, and those that appear.
func cutBeside(x *fixture, begin []byte, appear []string) {
	other := func(name string) {
		must(x.t, os.WriteFile(x.path(name), append(bytes.Clone(begin), "not of it: "+name...), 0o644))
	}
	other("app.log.2")
	w := newWriter(x.t, x.path("app.log"))
	w.raw(begin)
	r := x.follow("app.log")
	r.expect(w.contents()...)
	x.strike(func() {
		for _, name := range appear {
			other(name)
		}
		w.truncate()
		w.raw([]byte("the next\n"))
	})
	x.judgeLast(w, r)
}
