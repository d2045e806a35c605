package inotify

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// next waits for events and returns what happened, to which name.
func next(t *testing.T, w *Watcher) []Event {
	t.Helper()
	if err := w.Wait(); err != nil {
		t.Fatal(err)
	}
	return w.Poll(nil)
}

func TestRename(t *testing.T) {
	dir := t.TempDir()
	w, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	wd, err := w.Add(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := w.Add(dir + "/."); err != nil || again != wd {
		t.Errorf("Add of the same directory = %d, %v, want %d", again, err, wd)
	}
	path := filepath.Join(dir, "app.log")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	var got []Op
	var cookies []uint32
	for _, e := range next(t, w) {
		got = append(got, e.Op)
		if e.Watch != wd {
			t.Errorf("event %+v of watch %d, want %d", e, e.Watch, wd)
		}
		if e.Cookie != 0 {
			cookies = append(cookies, e.Cookie)
		}
	}
	if want := []Op{Create, Modify, MovedFrom, MovedTo}; !slices.Equal(got, want) {
		t.Errorf("events = %v, want %v", got, want)
	}
	if len(cookies) != 2 || cookies[0] != cookies[1] {
		t.Errorf("cookies of a rename = %v, want two equal ones", cookies)
	}
}

func TestCloseEndsWait(t *testing.T) {
	w, err := New()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- w.Wait() }()
	w.Close()
	if err := <-ended; err == nil {
		t.Error("Wait() = nil after Close, want an error")
	}
	if evs := w.Poll(nil); len(evs) != 0 {
		t.Errorf("Poll() = %v after Close, want nothing", evs)
	}
}

// What the kernel writes is trusted, but a name cut short must not be read
// beyond.
func FuzzParse(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 'a', 0, 0, 0})
	f.Add([]byte{1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 'a'})
	f.Fuzz(func(t *testing.T, b []byte) {
		if evs := new(Watcher).parse(nil, b); len(evs)*16 > len(b) {
			t.Errorf("parse of %d bytes = %d events", len(b), len(evs))
		}
	})
}
