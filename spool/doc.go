// Package spool keeps what Fairlead writes itself as one log that never grows
// beyond a number of bytes, and hands it to thousands of readers at once.
//
// It does not look inside the records: all it knows of them is that each ends
// in a newline. It does not queue anything for anyone, does not log, starts no
// goroutine, and does not keep two processes out of one directory.
//
// The bytes lie in segments, each named by the offset of its first byte. The
// offsets are one space for ever. When there are more bytes than the budget,
// the oldest segment is dropped. A reader is no more than an offset: it holds
// the segment that has it ([Spool.Acquire]), and may finish what it holds also
// when that was dropped, as long as all that is held so fits in one more budget.
//
// An [Epoch] names an unbroken history. It goes on when the process was killed,
// which loses nothing that was written, and after a clean close. After a power
// cut another begins where the surviving bytes end: positions of the epoch
// before it, which may name bytes that are lost, can then be told from its own.
//
// Beside each segment stands what its writer wants to know about the moment it
// began ([Options].Mark) and what it noted since ([Spool.Note]). These marks
// outlive their segments, so that of a position that is gone it can still be
// told what was missed ([Spool.Marks]).
//
// # Files
//
// EPOCH is 8 hexadecimal digits, BASE 20 decimal ones.
//
//	EPOCH-BASE.seg   records, and nothing else
//	EPOCH-BASE.pos   the mark; it is complete before the .seg is made
//	clean            the last close was clean
//	*.bad            was not whole when the directory was opened; removed next time
//
// A .pos begins with the line
//
//	fairlead spool 1 EPOCH BASE SEQ LEN CRC "BOOT"
//
// and LEN bytes of text. SEQ counts the .pos files of a directory; BOOT names the
// boot of the machine, quoted as a Go string; CRC is the CRC-32C of the line
// with a CRC of zero and of the text. Frames follow, each a line and LEN bytes
//
//	note LEN CRC
//	boot LEN CRC
//
// with the CRC-32C of kind, blank and bytes. A note is what was noted; a boot
// names the boot in which the segment is continued. What is behind the first
// frame that is not whole does not count. The file clean is one line
//
//	fairlead spool clean 1 EPOCH END CRC
package spool
