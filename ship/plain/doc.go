// Package plain ships growing files as logship did: a [Receiver] stores what senders
// send, a [Sender] sends the logs of a Set. Either end may be the older tool.
//
// It does not prove that a copy continues its source, acknowledge anything, find or
// watch files, decide whom to trust, or look inside the bytes. Whoever has no need to
// talk to logship uses package ship.
//
// There is one connection for each file:
//
//	sender    NAME LF        the base name; white space at its ends is cut
//	receiver  LENGTH LF      of the copy that it has, in decimal digits
//	sender    bytes          from there on, as they come, until the connection ends
//
// The length that a [Receiver] tells is durable, and so is what it has stored a second
// after the last byte. Since the length is all that is said, a sender takes the copy
// for the beginning of its file if it is not longer; to keep that true a [Sender]
// gives every generation a name of its own, and remembers which.
//
// doc/protocol.md has the details, doc/disk.md the files.
package plain
