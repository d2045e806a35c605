// Package replica keeps a byte-exact copy of growing files on the far side of a
// connection, and proves it.
//
// It does not open files or sockets, look for files, decide where a copy is
// stored, or log: a [Source] is given files and a [Receiver] a store, both are
// given frames and give frames, and return what they know. It never looks inside
// the bytes.
//
// A file is one generation, which only grows. The receiver says how much of it is
// durable, n, and H(n); the sender proves that its own first n bytes are those,
// and goes on behind them. Bytes are taken only at the end of what is there, so
// there is never a hole; an acknowledgement comes after the fsync of the data and
// of the journal that counts it. If continuity cannot be proven another generation
// begins, and the old copy stays.
//
// The frames are described in doc/protocol.md.
package replica
