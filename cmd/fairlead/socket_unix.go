//go:build unix

package main

import (
	"io/fs"
	"os"
	"syscall"
)

func oursOrRoots(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && (int(st.Uid) == os.Geteuid() || st.Uid == 0)
}
