package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"fairlead/internal/durable"
)

func write(text string) func(*os.File) error {
	return func(f *os.File) error {
		_, err := f.WriteString(text)
		return err
	}
}

func want(t *testing.T, path, text string) {
	t.Helper()
	if got, err := os.ReadFile(path); string(got) != text || err != nil {
		t.Errorf("%s has %q, %v, want %q", filepath.Base(path), got, err, text)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if len(entries) != 1 || err != nil {
		t.Errorf("beside %s there is %v, %v, want nothing", filepath.Base(path), entries, err)
	}
}

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	for _, text := range []string{"one", "two"} {
		if err := durable.Replace(path, write(text)); err != nil {
			t.Fatal(err)
		}
		want(t, path, text)
	}
	broken := errors.New("broken")
	if err := durable.Replace(path, func(*os.File) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("Replace = %v, want %v", err, broken)
	}
	want(t, path, "two")
}

// Of many who create a file at once one does, and all find its text.
func TestCreateOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	var wg sync.WaitGroup
	made := make([]error, 20)
	for i := range made {
		wg.Go(func() { made[i] = durable.Create(path, write("text")) })
	}
	wg.Wait()
	first := 0
	for _, err := range made {
		if err == nil {
			first++
		} else if !errors.Is(err, fs.ErrExist) {
			t.Errorf("Create = %v, want fs.ErrExist", err)
		}
	}
	if first != 1 {
		t.Errorf("%d have made the file, want 1", first)
	}
	want(t, path, "text")
}
