// Package logfile gives every byte of a growing file a lasting address.
//
// It does not look inside the bytes, does not know what a line is, and does
// not log: it returns what it knows. It opens no socket and runs no goroutine
// that the caller did not start.
//
// A [Set] finds files and watches them; there is one per process. A [Log] is
// one path through all its generations. A generation, named by a [GenID], is
// one append-only sequence of bytes: the same file under any name it is renamed
// to, recognised by what it contains and never by its inode alone. A [Pos] is a
// generation and an offset in it, the full address of a byte. A [Follower] is
// no more than a position over a log: it holds no bytes and no queue.
//
// Files of our own are written through a [Writer], which knows what is
// committed and wakes its readers itself. A [Cursor] keeps positions on disk.
// What this package writes to disk is described in doc/disk.md.
package logfile
