//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package serve

import "os"

// lockCopy cannot lock here: two mirrors of one file are the operator's to
// avoid.
func lockCopy(*os.File) error { return nil }
