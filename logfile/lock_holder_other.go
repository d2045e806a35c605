//go:build !linux

package logfile

import "os"

func lockHolder(*os.File) string { return "another process" }
