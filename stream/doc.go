// Package stream turns the lines of logs into entries that any number of clients
// read, each from where it was.
//
// It does not find or watch files: it is given sources. It does not hold entries
// for a client: a client is an offset into the spool. It does not obey what a
// line says.
//
// A line becomes an entry, one JSON object, which is encoded once and appended to
// the spool: a file that grows. TCP clients are sent the spool as it is, by
// sendfile; SSE clients are sent events that are rendered once for all who want
// the same. Each entry says which bytes of which generation it was made of ("at",
// "len"), so that any client can check that nothing is missing. What is missing
// is said in a gap, with the range of bytes. The formats are in doc/protocol.md,
// the files in doc/disk.md.
package stream
