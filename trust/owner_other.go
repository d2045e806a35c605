//go:build !unix

package trust

import (
	"io/fs"
	"os"
)

const openAsIs = 0

// ownedByUs cannot be told here: whose directory it is decides.
func ownedByUs(string, fs.FileInfo) bool { return true }

func giveToOwner(string, *os.File) error { return nil }
