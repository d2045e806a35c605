//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package serve

import "os"

func lockHolder(*os.File) string { return "another process" }
