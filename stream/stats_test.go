package stream_test

import (
	"fmt"
	"os"
	"testing"

	"fairlead/stream"
)

// Read says how far the entries go, and Stats how many of each level there are.
func TestReadAndLevels(t *testing.T) {
	w := newWorld(t, stream.Options{})
	w.write("a.log", "ERROR: of the backfill\nnothing\n")
	w.start()
	gen := func(name string) (g string) {
		l, err := w.set.Lookup(w.path(name))
		if err != nil || l.Stat().Current == nil {
			return ""
		}
		return l.Stat().Current.ID.String()
	}
	read := func() map[string]int64 {
		m := make(map[string]int64)
		for id, off := range w.stream.Read() {
			m[id.String()] = off
		}
		return m
	}
	w.write("a.log", "INFO: new\n[FATAL] x\n\n\nunfinished")
	w.write("b.log", `{"level":"Warning","msg":"m"}`+"\n"+`{"level":50,"msg":"m"}`+"\n"+`{"level":"critical","msg":"m"}`+"\n"+"level=trace msg=m\nDEBUG: x\n")
	want := map[string]int64{"none": 1, "trace": 1, "debug": 1, "info": 1, "warn": 1, "error": 3, "fatal": 1}
	w.until("all is encoded", func() bool {
		return fmt.Sprint(w.stream.Stats().Entries) == fmt.Sprint(want) && read()[gen("b.log")] == 111
	})
	if n := read()[gen("a.log")]; n != 51 { // the empty lines belong to what is unfinished
		t.Errorf("a.log is read to %d, want 51", n)
	}
	old := gen("a.log")
	if err := os.Rename(w.path("a.log"), w.path("a.log.1")); err != nil {
		t.Fatal(err)
	}
	w.write("a.log", "INFO: of the next\n")
	w.until("the next is read", func() bool { return gen("a.log") != old && read()[gen("a.log")] == 18 })
	if n := w.stream.Stats().Entries; n["info"] != 2 || n["none"] != 2 { // the partial one
		t.Errorf("Entries = %v, want 2 of info and of none", n)
	}
}
