//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package durable

import "os"

// Lock does not lock here: two processes that write at once are the operator's to
// avoid.
func Lock(*os.File) error { return nil }

// TryLock does not lock here either.
func TryLock(*os.File) error { return nil }
