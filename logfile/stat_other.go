//go:build !unix

package logfile

import (
	"io/fs"
	"os"
	"syscall"
	"time"
)

// Windows tells no inode without opening the file; the time of birth stands in
// for it. It is reused like an inode, and like an inode it is never trusted
// without a look at the content.
func (i *info) fillSys(fi fs.FileInfo) {
	if a, ok := fi.Sys().(*syscall.Win32FileAttributeData); ok {
		i.ino = uint64(a.CreationTime.Nanoseconds())
	}
}

// lstat does not follow symlinks: for names found beside a log.
func lstat(path string) (info, error) {
	fi, err := os.Lstat(path)
	if err != nil {
		return info{}, err
	}
	return infoOf(fi), nil
}

func isNotDir(error) bool { return false }

func isLoop(error) bool { return false }

func outOfDescriptors(error) bool { return false }

func openLog(path string) (*os.File, error) { return os.Open(path) }

func nameOf(*os.File) string { return "" }

func descriptorLimit() int { return 4096 }

func fstat(f *os.File) (size int64, mtime time.Time, err error) {
	fi, err := f.Stat()
	if err != nil {
		return 0, time.Time{}, err
	}
	return fi.Size(), fi.ModTime(), nil
}
