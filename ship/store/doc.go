// Package store keeps the copies of a receiver on disk, and the journal that says
// how much of each is durable.
//
// It does not speak to a sender, decide what may be sent, look inside the bytes,
// or log: it does what a [replica.Store] promises, and returns what it knows. It
// starts no goroutine that outlives a call, and follows no symlink.
//
// A copy is DIR/SENDER/PATH. The journal is DIR/.fairlead/journal.db: it says
// which file is which generation of which sender, how many of its bytes are
// durable, and their hashes. What is appended in small pieces goes to a log beside it
// first, DIR/.fairlead/log, bytes and all. A file is longer than both say when bytes
// came that were not acknowledged; they are cut off. It is never shorter, unless
// somebody damaged it: then what is good of it is copied, and the damaged file
// stays beside it.
//
// Nothing is ever written over: a name that is taken is left to who has it. Only
// [Store.Prune] removes a copy, whole, and its record stays.
//
// What is on disk, byte by byte and in which order, is described in doc/disk.md.
package store
