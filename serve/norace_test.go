//go:build !race

package serve_test

import "time"

const raced = false

// raceless is a limit for a program that is not slowed down by the race
// detector.
func raceless(d time.Duration) time.Duration { return d }
