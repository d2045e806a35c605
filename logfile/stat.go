package logfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// info is what one stat says.
type info struct {
	dev, ino uint64
	size     int64
	mtime    time.Time
	mode     fs.FileMode
}

func (i info) sameFile(dev, ino uint64) bool { return i.dev == dev && i.ino == ino }

func infoOf(fi fs.FileInfo) info {
	i := info{size: fi.Size(), mtime: fi.ModTime(), mode: fi.Mode()}
	i.fillSys(fi)
	return i
}

// statPath follows symlinks: for a log's own path, which the operator named.
// real is where the path leads to.
func statPath(path string) (i info, real string, err error) {
	i, err = lstat(path)
	if err != nil || i.mode&fs.ModeSymlink == 0 {
		return i, path, err
	}
	fi, err := os.Stat(path)
	if err != nil {
		return info{}, "", err
	}
	real, err = filepath.EvalSymlinks(path)
	return infoOf(fi), real, err
}

// deletedSuffix is what Linux says behind the name of an open file that has none
// any more.
const deletedSuffix = " (deleted)"

// missing says that the error means: there is no file of that name (now).
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || isNotDir(err)
}
