package logfile_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"fairlead/logfile"
)

func openWriter(t *testing.T, path string, committed int64) *logfile.Writer {
	t.Helper()
	w, err := logfile.OpenWriter(path, logfile.NewGenID(), committed)
	must(t, err)
	t.Cleanup(func() { w.Close() })
	return w
}

// Readers see what is committed, whatever stat tells.
func TestWriterCommits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	w := openWriter(t, path, 0)
	read := func() string {
		buf := make([]byte, 100)
		n, err := w.ReadAt(t.Context(), buf, logfile.Pos{Gen: w.Stat().Current.ID})
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	steps := []struct {
		do   func() error
		want string
	}{
		{func() error { _, err := w.Write([]byte("one ")); return err }, ""},
		{w.Commit, "one "},
		{func() error { _, err := w.Write([]byte("two ")); return err }, "one "},
		{func() error { _, err := w.Write([]byte("three ")); return err }, "one "},
		{w.Sync, "one two three "},
		{w.Commit, "one two three "},
	}
	for i, step := range steps {
		must(t, step.do())
		if got := read(); got != step.want {
			t.Errorf("step %d: read %q, want %q", i, got, step.want)
		}
	}
	if got, want := w.Size(), int64(14); got != want {
		t.Errorf("Size() = %d, want %d", got, want)
	}
	b, err := os.ReadFile(path)
	if err != nil || string(b) != "one two three " {
		t.Errorf("the file has %q, %v", b, err)
	}
}

// What was never committed is cut off when the file is opened again.
func TestOpenWriter(t *testing.T) {
	tests := []struct {
		name      string
		content   string
		committed int64
		want      string
		bad       string
	}{
		{"new", "", 0, "", ""},
		{"all committed", "abcdef", 6, "abcdef", ""},
		{"some committed", "abcdef", 4, "abcd", ""},
		{"nothing committed", "abcdef", 0, "", ""},
		{"all there is", "abcdef", -1, "abcdef", ""},
		{"too short", "abcdef", 7, "abcdef", "it has 6 bytes, and 7 were committed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "out")
			must(t, os.WriteFile(path, []byte(tt.content), 0o600))
			w, err := logfile.OpenWriter(path, logfile.NewGenID(), tt.committed)
			if tt.bad != "" {
				if err == nil || !strings.Contains(err.Error(), tt.bad) {
					t.Errorf("OpenWriter(%d) = %v, want %q", tt.committed, err, tt.bad)
				}
			} else {
				must(t, err)
				_, err = w.Write([]byte("!"))
				must(t, err)
				must(t, w.Close())
				tt.want += "!"
			}
			if b, err := os.ReadFile(path); err != nil || string(b) != tt.want {
				t.Errorf("the file has %q, %v, want %q", b, err, tt.want)
			}
		})
	}
}

func TestOpenWriterNoFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := logfile.OpenWriter(dir, logfile.NewGenID(), 0); err == nil {
		t.Error("OpenWriter(directory) = nil, want an error")
	}
	if _, err := logfile.OpenWriter(filepath.Join(dir, "no", "such"), logfile.NewGenID(), 0); err == nil {
		t.Error("OpenWriter in a missing directory = nil, want an error")
	}
}

// Any order of writes, commits and syncs shows readers a prefix of what was
// written, which ends at the last commit.
func TestWriterAnyOrder(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		path := filepath.Join(dir, "out")
		w, err := logfile.OpenWriter(path, logfile.NewGenID(), 0)
		must(t, err)
		defer w.Close()
		var written []byte
		committed := 0
		for range rapid.IntRange(0, 30).Draw(r, "steps") {
			switch rapid.IntRange(0, 2).Draw(r, "step") {
			case 0:
				b := rapid.SliceOf(rapid.Byte()).Draw(r, "bytes")
				if _, err := w.Write(b); err != nil {
					r.Fatal(err)
				}
				written = append(written, b...)
			case 1:
				must(t, w.Commit())
				committed = len(written)
			case 2:
				must(t, w.Sync())
				committed = len(written)
			}
			st := w.Stat()
			if st.Current.Size != int64(committed) || w.Size() != int64(len(written)) {
				r.Fatalf("Stat().Current.Size, Size() = %d, %d, want %d, %d", st.Current.Size, w.Size(), committed, len(written))
			}
			got := make([]byte, len(written)+1)
			n, err := w.ReadAt(context.Background(), got, logfile.Pos{Gen: st.Current.ID})
			if !bytes.Equal(got[:n], written[:committed]) || committed > 0 && err != nil {
				r.Fatalf("ReadAt() = %q, %v, want %q", got[:n], err, written[:committed])
			}
		}
	})
}

// After a failed write nothing more is written, and readers keep what was
// committed.
func TestWriterFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	w := openWriter(t, path, 0)
	_, err := w.Write([]byte("kept"))
	must(t, err)
	must(t, w.Commit())
	gen := w.Stat().Current.ID
	must(t, w.Close())
	if _, err := w.Write([]byte("lost")); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Write() after Close() = %v, want an error with the path", err)
	}
	if err := w.Commit(); err == nil {
		t.Error("Commit() after Close() = nil, want an error")
	}
	if err := w.Sync(); err == nil {
		t.Error("Sync() after Close() = nil, want an error")
	}
	if err := w.Close(); err != nil {
		t.Errorf("Close() again = %v, want nil", err)
	}
	st := w.Stat()
	if g := st.Find(gen); st.Current != nil || g == nil || g.End == nil || g.Size != 4 || !g.Final {
		t.Errorf("Stat() after Close() = %+v, want the ended generation of 4 bytes", st)
	}
	var e *logfile.Ended
	if _, err := w.ReadAt(t.Context(), make([]byte, 1), logfile.Pos{Gen: gen, Off: 4}); !errors.As(err, &e) {
		t.Errorf("ReadAt() after Close() = %v, want *Ended", err)
	}
}
