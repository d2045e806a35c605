package durable

import "errors"

// ErrLocked is for a file whose lock somebody else has.
var ErrLocked = errors.New("the file is locked")
