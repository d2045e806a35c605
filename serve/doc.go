// Package serve streams growing files from any byte on, over TCP and HTTP. The
// bytes sent from offset N are the bytes of one generation from N on; when that
// ends the connection ends, and is never silently switched.
//
// It does not look inside the bytes: what a line is, it does not know. It finds
// and watches no files, which is the Set's work, keeps no queue and no state on
// disk, and decides about tokens and certificates no more than net.Listener does.
//
// Over TCP the client sends one line, the server sends bytes and nothing else:
//
//	[NAME ]OFFSET LF
//
// OFFSET is a signed decimal integer: from 0 on the number of bytes to skip,
// below zero counted back from the end. NAME is the absolute path of a log, or a
// base name or suffix that only one of them has; without it the first log is
// meant. The line has at most 255 bytes and five seconds; what follows it is
// ignored. On a line that cannot be served the connection is closed without a
// byte, and the reason is in our log and in [Stats]. A client that takes nothing
// for a minute although there is something is let go: it can come back for the
// offset where it was.
//
// Over HTTP there are GET /logs, a JSON list, and GET /logs/NAME with Range,
// If-Range, an ETag that names the generation, and gen=, offset=, from= and
// follow as queries. doc/protocol.md has both to the letter.
package serve
