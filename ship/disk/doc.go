// Package disk is a directory in which others name the files: what comes over a
// network gets no name outside it, and no file but a regular one of its own.
//
// It does not know what the files are for, or log; it starts no goroutine, and follows
// no symlink.
package disk
