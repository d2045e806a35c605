package stream_test

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"fairlead/stream"
)

// A full disk holds the stream up and loses nothing: the logs are the buffer.
func TestF26FullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("a small file system cannot be mounted here (run as root): %v", err)
	}
	t.Cleanup(func() { unix.Unmount(disk, unix.MNT_DETACH) })
	w := newWorld(t, stream.Options{Dir: filepath.Join(disk, "spool"), Budget: 16 << 20}).start()
	c := w.connect("", "")
	const lines = 20_000
	text := numbered(0, lines)
	w.write("a.log", text)
	w.until("the disk is full", func() bool { return w.stream.Stats().Err != nil })
	if err := unix.Mount("tmpfs", disk, "tmpfs", unix.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	tile := newTiling(t)
	for n := range lines {
		e := c.want()
		tile.add(e.name, e.data)
		if got := lineNumber(t, decode(t, e.data).Message); got != n {
			t.Fatalf("line %d, want %d", got, n)
		}
	}
	tile.want(int64(len(text)))
	if st := w.stream.Stats(); st.Err != nil || st.Failed == 0 {
		t.Errorf("Stats() = %+v, want failures that are over", st)
	}
}
