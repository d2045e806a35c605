//go:build race

package stream_test

// raced: the race detector makes everything ten times slower.
const raced = true
