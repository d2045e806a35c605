//go:build race

package logfile_test

// slower is by how much the race detector may slow what is measured.
const slower = 10
