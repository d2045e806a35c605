//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"fairlead/bench/measure"
)

// A haul is files of the same size to be brought to another directory. They are lines of lineLen
// bytes, each with the number of its file and its own.
type haul struct {
	files int
	size  int64
}

const (
	lineLen   = 256
	lineLimit = 1e8 // lines of all files of a haul, by their numbers
)

func (h haul) bytes() int64 { return int64(h.files) * h.size }

func (h haul) name() string {
	if h.files == 1 {
		return measure.Size(h.size)
	}
	return fmt.Sprintf("%s files of %d KiB", measure.Thousands(h.files), h.size>>10)
}

// stride is how far apart the first lines of two files are in number.
func (h haul) stride() int64 { return lineLimit / int64(h.files) }

func fileName(i int) string { return fmt.Sprintf("app%05d.log", i) }

// write makes the files in a new directory, last changed an hour ago: a file changed a moment ago
// is not quiet.
func (h haul) write(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("make directory to ship: %w", err)
	}
	rng, then := rand.New(rand.NewPCG(3, 4)), time.Now().Add(-time.Hour)
	for i := range h.files {
		path := filepath.Join(dir, fileName(i))
		if err := h.writeFile(path, int64(i)*h.stride(), rng); err != nil {
			return fmt.Errorf("make file to ship: %w", err)
		}
		if err := os.Chtimes(path, then, then); err != nil {
			return fmt.Errorf("date back: %w", err)
		}
	}
	return nil
}

func (h haul) writeFile(path string, first int64, rng *rand.Rand) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	for n := range h.size / lineLen {
		w.Write(appendText(w.AvailableBuffer(), first+n, rng))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// appendText appends a line as an application writes it, which says its number.
func appendText(b []byte, seq int64, rng *rand.Rand) []byte {
	start := len(b)
	b = fmt.Appendf(b, "%08d INFO [worker-%02d] com.example.orders.OrderService - order %08d of customer %06d was accepted in %5d ms;",
		seq, rng.IntN(32), rng.IntN(1e8), rng.IntN(1e6), rng.IntN(1e5))
	for len(b)-start < lineLen-1 {
		b = fmt.Appendf(b, " %016x", rng.Uint64())
	}
	return append(b[:start+lineLen-1], '\n')
}

// warm reads the files, so that the page cache has them.
func (h haul) warm(dir string) error {
	for i := range h.files {
		f, err := os.Open(filepath.Join(dir, fileName(i)))
		if err != nil {
			return fmt.Errorf("read file to ship: %w", err)
		}
		_, err = io.Copy(io.Discard, f)
		f.Close()
		if err != nil {
			return fmt.Errorf("read file to ship: %w", err)
		}
	}
	return nil
}

// same says whether all files have become copies. copyOf says where.
func (h haul) same(dir string, copyOf func(file string) string) error {
	for i := range h.files {
		file := filepath.Join(dir, fileName(i))
		if err := sameBytes(file, copyOf(file)); err != nil {
			return err
		}
	}
	return nil
}

// sameBytes compares a copy with its source.
func sameBytes(source, dup string) error {
	a, err := os.Open(source)
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	defer a.Close()
	b, err := os.Open(dup)
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	defer b.Close()
	bufA, bufB := make([]byte, 1<<18), make([]byte, 1<<18)
	for off := int64(0); ; {
		nA, errA := io.ReadFull(a, bufA)
		nB, errB := io.ReadFull(b, bufB)
		if !bytes.Equal(bufA[:nA], bufB[:nB]) {
			return fmt.Errorf("the copy %s differs from its source behind %d bytes", dup, off)
		}
		if off += int64(nA); errA != nil || errB != nil {
			return errors.Join(notEnd(errA), notEnd(errB))
		}
	}
}

func notEnd(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil
	}
	return err
}

// count finds what became of the lines of all files, which came into one.
func (h haul) count(path string) (measure.Sample, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("count lines: %w", err)
	}
	defer f.Close()
	of, torn := make([]measure.LineCounter, h.files), int64(0)
	lines := bufio.NewReaderSize(f, 1<<20)
	for {
		line, err := lines.ReadSlice('\n')
		if err == io.EOF && len(line) == 0 {
			break
		}
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return nil, fmt.Errorf("count lines: %w", err)
		}
		if file, n, ok := h.parse(line); ok {
			of[file].Saw(n)
		} else {
			torn++
		}
	}
	sample := measure.Sample{measure.Lost: 0, measure.Doubled: 0, measure.Reordered: 0, measure.Torn: float64(torn)}
	for i := range of {
		sample[measure.Lost] += float64(of[i].Lost(h.size / lineLen))
		sample[measure.Doubled] += float64(of[i].Doubled)
		sample[measure.Reordered] += float64(of[i].Reordered)
	}
	return sample, nil
}

// parse returns the number of a line's file and its own within it.
func (h haul) parse(line []byte) (file, n int64, ok bool) {
	if len(line) != lineLen || line[lineLen-1] != '\n' {
		return 0, 0, false
	}
	seq, err := strconv.ParseUint(string(line[:8]), 10, 32)
	file, n = int64(seq)/h.stride(), int64(seq)%h.stride()
	return file, n, err == nil && n < h.size/lineLen
}
