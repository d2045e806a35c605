// Package serve streams growing files from any byte on, over TCP and HTTP. The
// bytes sent from offset N are the bytes of one generation from N on; when that
// ends the connection ends, and is never silently switched.
//
// It does not look inside the bytes: what a line is, it does not know. It finds
// and watches no files, which is the Set's work, keeps no queue, and decides
// about tokens and certificates no more than a net.Listener does.
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
// byte, and the reason is in our log and in [Stats]. Over HTTP there are GET
// /logs, a JSON list, and GET /logs/NAME with Range, If-Range, an ETag that
// names the generation, and gen=, offset=, from= and follow as queries.
//
// An end of the stream says that the client has got all of its generation; a
// reset, that it has not, or that what it got last may be wrong: the file was
// cut while a send was under way. Two limits remain. A client that takes nothing
// for a minute although there is something is let go; it can come back for the
// offset where it was. And sendfile hands over pages, not bytes: where a file is
// overwritten in place, or cut elsewhere than at 0, what was sent but has not
// yet arrived can change on its way. Copytruncate and > FILE cut at 0.
//
// A [Mirror] is the other side: it keeps a copy of what such a server sends.
package serve
