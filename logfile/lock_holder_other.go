//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package logfile

import "os"

func lockHolder(*os.File) string { return "another process" }
