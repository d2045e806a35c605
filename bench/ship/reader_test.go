//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fairlead/bench/measure"
)

// runReader runs the role, which is to be ready first, and returns what it found.
func runReader(t *testing.T, job readJob) (got readResult) {
	t.Helper()
	in, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := reader(json.NewDecoder(bytes.NewReader(in)), json.NewEncoder(&out)); err != nil {
		t.Fatal(err)
	}
	found := json.NewDecoder(&out)
	var word string
	if err := found.Decode(&word); err != nil || word != measure.Ready {
		t.Fatalf("it said %q, %v, want %q", word, err, measure.Ready)
	}
	if err := found.Decode(&got); err != nil {
		t.Fatal(err)
	}
	return got
}

func linesNumbered(seqs ...int64) (text []byte) {
	for _, seq := range seqs {
		text = measure.AppendLine(text, seq, 0)
	}
	return text
}

func TestReaderOfCopy(t *testing.T) {
	tests := []struct {
		name string
		came []int64
		want readResult
	}{
		{"all", []int64{0, 1, 2, 3}, readResult{}},
		{"one twice", []int64{0, 1, 1, 2, 3}, readResult{Doubled: 1}},
		{"one late", []int64{0, 2, 1, 3}, readResult{Reordered: 1}},
		{"one never", []int64{0, 1, 3}, readResult{Lost: 1}},
		{"the end never", []int64{0, 1}, readResult{Lost: 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "copy")
			if err := os.WriteFile(path, linesNumbered(tt.came...), 0o600); err != nil {
				t.Fatal(err)
			}
			got := runReader(t, readJob{Copy: path, Lines: 4, Untimed: 4, Limit: 50 * time.Millisecond})
			if got != tt.want {
				t.Errorf("found %+v, want %+v", got, tt.want)
			}
		})
	}
}

// A server that does not have the file yet closes; the reader comes again.
func TestReaderOfServer(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serving := make(chan net.Conn, 1) // the connection that stays
	go func() {
		defer close(serving)
		for _, text := range [][]byte{nil, nil, linesNumbered(0, 1, 2, 3)} {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			if text == nil {
				conn.Close()
				continue
			}
			conn.Write(text)
			serving <- conn
		}
	}()
	defer func() {
		ln.Close()
		for conn := range serving {
			conn.Close()
		}
	}()
	got := runReader(t, readJob{Port: ln.Addr().(*net.TCPAddr).Port, Ask: "a.log 0\n", Lines: 4, Untimed: 4, Limit: 20 * time.Second})
	if got != (readResult{}) {
		t.Errorf("found %+v, want nothing", got)
	}
}
