//go:build linux

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fairlead/bench/measure"
)

// shipped makes the files of a haul and returns their directory.
func shipped(t *testing.T, h haul) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "source")
	if err := h.write(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// linesOfAll returns the lines of all files of a haul.
func linesOfAll(t *testing.T, h haul, dir string) (lines [][]byte) {
	t.Helper()
	for i := range h.files {
		text, err := os.ReadFile(filepath.Join(dir, fileName(i)))
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(text)) != h.size {
			t.Fatalf("file %d has %d bytes, want %d", i, len(text), h.size)
		}
		lines = slices.AppendSeq(lines, bytes.Lines(text))
	}
	return lines
}

// What became of lines is found, also where those of several files are mixed.
func TestCount(t *testing.T) {
	all := func(lines [][]byte) [][]byte { return lines }
	tests := []struct {
		name                           string
		files                          int
		came                           func(lines [][]byte) [][]byte // of two files of 8 lines, one behind the other
		lost, doubled, reordered, torn float64
	}{
		{"one file", 1, all, 0, 0, 0, 0},
		{"two files", 2, all, 0, 0, 0, 0},
		{"two files, mixed", 2, func(l [][]byte) [][]byte {
			var mixed [][]byte
			for i := range 8 {
				mixed = append(mixed, l[8+i], l[i])
			}
			return mixed
		}, 0, 0, 0, 0},
		{"one is lost in the middle", 2, func(l [][]byte) [][]byte { return slices.Delete(l, 3, 4) }, 1, 0, 0, 0},
		{"the end is lost", 2, func(l [][]byte) [][]byte { return l[:13] }, 3, 0, 0, 0},
		{"a file is lost", 2, func(l [][]byte) [][]byte { return l[8:] }, 8, 0, 0, 0},
		{"one came twice", 2, func(l [][]byte) [][]byte { return append(l, l[4]) }, 0, 1, 0, 0},
		{"one came late", 1, func(l [][]byte) [][]byte { l[2], l[3] = l[3], l[2]; return l }, 0, 0, 1, 0},
		{"one is cut", 1, func(l [][]byte) [][]byte { l[5] = l[5][100:]; return l }, 1, 0, 0, 1},
		{"the last is cut", 1, func(l [][]byte) [][]byte { l[7] = l[7][:100]; return l }, 1, 0, 0, 1},
		{"a line that nobody wrote", 1, func(l [][]byte) [][]byte { return append(l, []byte("hello\n")) }, 0, 0, 0, 1},
		{"a number that there is not", 2, func(l [][]byte) [][]byte {
			return append(l, []byte("00000008"+strings.Repeat(".", lineLen-9)+"\n"))
		}, 0, 0, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := haul{files: tt.files, size: 8 * lineLen}
			lines := tt.came(linesOfAll(t, h, shipped(t, h)))
			path := filepath.Join(t.TempDir(), "copy")
			if err := os.WriteFile(path, slices.Concat(lines...), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := h.count(path)
			if err != nil {
				t.Fatal(err)
			}
			for f, want := range map[measure.Figure]float64{
				measure.Lost: tt.lost, measure.Doubled: tt.doubled, measure.Reordered: tt.reordered, measure.Torn: tt.torn,
			} {
				if got[f] != want {
					t.Errorf("%s = %v, want %v", f, got[f], want)
				}
			}
		})
	}
}

func TestSame(t *testing.T) {
	h := haul{files: 2, size: 2 << 20}
	tests := []struct {
		name   string
		change func(text []byte) []byte
		same   bool
	}{
		{"the same", func(p []byte) []byte { return p }, true},
		{"the last byte is another", func(p []byte) []byte { p[len(p)-1]++; return p }, false},
		{"shorter", func(p []byte) []byte { return p[:len(p)-1] }, false},
		{"shorter by a block", func(p []byte) []byte { return p[:len(p)-1<<18] }, false},
		{"longer", func(p []byte) []byte { return append(p, '\n') }, false},
		{"empty", func(p []byte) []byte { return nil }, false},
	}
	dir := shipped(t, h)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			copies := t.TempDir()
			for i := range h.files {
				text, err := os.ReadFile(filepath.Join(dir, fileName(i)))
				if err != nil {
					t.Fatal(err)
				}
				if i == 1 {
					text = tt.change(text)
				}
				if err := os.WriteFile(filepath.Join(copies, fileName(i)), text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := h.same(dir, func(file string) string { return filepath.Join(copies, filepath.Base(file)) })
			if (err == nil) != tt.same {
				t.Errorf("same = %v, want the same: %v", err, tt.same)
			}
		})
	}
	if err := h.same(dir, func(file string) string { return file + ".none" }); err == nil {
		t.Error("same = nil without any copy")
	}
}
