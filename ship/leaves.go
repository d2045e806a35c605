package ship

import (
	"os"
	"path/filepath"

	"fairlead/logfile"
	"fairlead/replica"
)

// leaves are the hashes of what was read, a file of them for each generation that has
// a MiB. They are a cache: nothing waits for the disk, and no error matters.
type leaves struct{ dir string }

func (l leaves) path(gen logfile.GenID) string { return filepath.Join(l.dir, gen.String()) }

func (l leaves) Load(gen logfile.GenID) []replica.Hash {
	b, err := os.ReadFile(l.path(gen))
	if err != nil {
		return nil
	}
	var h replica.Hash
	list := make([]replica.Hash, 0, len(b)/len(h))
	for ; len(b) >= len(h); b = b[len(h):] {
		list = append(list, replica.Hash(b[:len(h)]))
	}
	return list
}

func (l leaves) Keep(gen logfile.GenID, first int, list []replica.Hash) {
	f, err := os.OpenFile(l.path(gen), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	var b []byte
	for _, h := range list {
		b = append(b, h[:]...)
	}
	at := int64(first) * int64(len(replica.Hash{}))
	if fi, err := f.Stat(); err == nil && fi.Size() >= at { // else there is a hole before them
		f.WriteAt(b, at)
	}
}

// Drop keeps them: another receiver may ask, and so may the next process while the
// file is there.
func (leaves) Drop(logfile.GenID) {}

func (l leaves) forget(gen logfile.GenID) { os.Remove(l.path(gen)) }

// tidy removes those of generations that are not being sent any more.
func (l leaves) tidy(sent func(logfile.GenID) bool) {
	entries, _ := os.ReadDir(l.dir)
	for _, e := range entries {
		if id, err := logfile.ParseGenID(e.Name()); err != nil || !sent(id) {
			os.Remove(filepath.Join(l.dir, e.Name()))
		}
	}
}
