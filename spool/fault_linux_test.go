package spool_test

import (
	"bytes"
	"os/signal"
	"testing"

	"golang.org/x/sys/unix"

	"fairlead/spool"
)

// limit keeps files of this process from growing beyond n bytes, as a full disk
// would: what fits is written.
func limit(t *testing.T, n uint64) (lift func()) {
	var was unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_FSIZE, &was))
	must(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: n, Max: was.Max}))
	return func() { must(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &was)) }
}

// A disk that is full for a while costs what is appended meanwhile, and no more.
func TestDiskFull(t *testing.T) {
	signal.Ignore(unix.SIGXFSZ)
	defer signal.Reset(unix.SIGXFSZ)
	dir := t.TempDir()
	o := spool.Options{Dir: dir, Segment: 1000, Mark: func() []byte { return bytes.Repeat([]byte("m"), 100) }}
	s := open(t, o)
	record := append(bytes.Repeat([]byte("x"), 299), '\n')
	fails := func(what string, n uint64, f func() error) {
		t.Helper()
		end, before := s.End(), text(t, s)
		names := len(files(t, dir, ""))
		lift := limit(t, n)
		err := f()
		lift()
		if err == nil || s.End() != end || text(t, s) != before || len(files(t, dir, "")) != names {
			t.Fatalf("%s on a full disk = %v, End() = %d, %d files, want an error, %d, %d", what, err, s.End(), len(files(t, dir, "")), end, names)
		}
	}
	appends := func() error { return s.Append(record) }
	want := ""
	for i := range 12 {
		fails("Append", uint64(s.End()%1200)+50, appends) // the mark or the record does not fit
		fails("Note", 10, func() error { return s.Note([]byte("lost")) })
		must(t, appends())
		must(t, s.Note([]byte{'a' + byte(i)}))
		want += string(record)
	}
	notes := ""
	marks, ok := s.Marks(spool.Pos{Epoch: s.Epoch()})
	for _, m := range marks {
		notes += string(m.Notes)
	}
	if notes != "abcdefghijkl" || !ok {
		t.Errorf("the notes are %q, %v", notes, ok)
	}
	again := open(t, o)
	if got := text(t, again); got != want || again.Epoch() != s.Epoch() {
		t.Errorf("opened again: %d bytes in %v, want %d in %v", len(got), again.Epoch(), len(want), s.Epoch())
	}
}
