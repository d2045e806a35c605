//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package serve

import "os"

// Lock cannot lock here: two writers of one file are the operator's to avoid.
func Lock(f *os.File, path, cure string) error { return nil }
