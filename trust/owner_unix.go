//go:build unix

package trust

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// openAsIs opens what is at a path itself, and at once.
const openAsIs = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// ownedByUs says whether a file is our user's, root's, or, where we are root and
// look after somebody's state, of the one whose directory it is in.
func ownedByUs(path string, fi fs.FileInfo) bool {
	uid, ok := ownerOf(fi)
	if !ok || uid == 0 || int64(uid) == int64(os.Geteuid()) {
		return ok
	}
	if os.Geteuid() != 0 {
		return false
	}
	dir, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return false
	}
	owner, ok := ownerOf(dir)
	return ok && owner == uid
}

func ownerOf(fi fs.FileInfo) (uid uint32, ok bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return st.Uid, true
}

// giveToOwner gives a file that root has made in somebody's directory to that
// user, whose process is to read it.
func giveToOwner(path string, f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	dir, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	st, ok := dir.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 {
		return nil
	}
	return f.Chown(int(st.Uid), int(st.Gid))
}
