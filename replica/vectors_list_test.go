package replica_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// vectors are those of testdata/vectors. What begins with "receiver-" is for a
// receiver alone, what begins with "sender-" for a sender, and with "checker-" for one
// that compares a file of seven bytes; others are for both.
func vectors() []vector {
	return slices.Concat(accepted(), refused(), refusedBySender(), comparedByChecker(), refusedByChecker())
}

func accepted() []vector {
	aLine := []byte("a line\n")
	zeros := make([]byte, 1<<20)
	leaf := hashOf(zeros)
	quarter := zeros[:256<<10]
	other := []byte("generation-00002")
	return []vector{
		{"session", "A whole session: one file of seven bytes is sent, acknowledged and sealed.\nThe OPEN says nothing of the head of the file, as one may.",
			append(opened[:len(opened):len(opened)], sends(data(1, 0, aLine)), answers(ack(1, 7)), sends(seal(1, aLine, 7, 1)),
				answers(frame(9, 0, 1, 7), ack(1, 7)))},
		{"receiver-resume", "A second OPEN of a generation is answered by what is there. The bytes that are sent\nonce more are passed over.",
			append(opened[:len(opened):len(opened)], sends(data(1, 0, aLine)), answers(ack(1, 7)), sends(open(1, vectorGen, 7)), answers(at(1, aLine)),
				sends(data(1, 0, aLine), data(1, 7, aLine)), answers(ack(1, 14)))},
		{"receiver-known", "An unknown generation of a path of which there is a copy: KNOWN. Flag 2 of the next\nOPEN says that it is not it.",
			append(opened[:len(opened):len(opened)], sends(data(1, 0, aLine)), answers(ack(1, 7)), sends(open(2, other, 9)),
				answers(frame(5, 0, 2, 0, 1, vectorGen, uint64(7), proofOf(aLine))),
				sends(again(open(2, other, 9), func(b []byte) { b[1] = 2 })), answers(at(2, nil)))},
		{"receiver-sealed", "An OPEN of a copy that is sealed: AT with flag 1.",
			append(opened[:len(opened):len(opened)], sends(data(1, 0, aLine), seal(1, aLine, 7, 1)), answers(frame(9, 0, 1, 7), ack(1, 7)),
				sends(open(2, vectorGen, 7)), answers(frame(4, 1, 2, 7, proofOf(aLine))))},
		{"receiver-diverged", "A SEAL with flag 1: the source has other bytes. The copy stays, and the next\ngeneration is another.",
			append(opened[:len(opened):len(opened)], sends(data(1, 0, aLine)), answers(ack(1, 7)),
				sends(frame(8, 1, 1, 7, make([]byte, 32), uint64(3), 5)), answers(frame(9, 0, 1, 7), ack(1, 7)),
				sends(open(1, vectorGen, 3)), answers(frame(5, 0, 1, 0, 0)), sends(open(1, other, 3)), answers(at(1, nil)))},
		{"receiver-zstd", "DATA with flag 1: the bytes are one zstd frame. Those that complete a leaf have\nflag 2, and the leaf's SHA-256 behind them.",
			append(opened[:len(opened):len(opened)], sends(squeezed(1, 0, quarter, nil), squeezed(1, 256<<10, quarter, nil),
				squeezed(1, 512<<10, quarter, nil), squeezed(1, 768<<10, quarter, leaf[:])), answers(ack(1, 1<<20)))},
		{"receiver-leaf", "The hash of a leaf that is another's: a REJECT of the channel, which may be opened\nagain. Nothing of it was acknowledged.",
			append(opened[:len(opened):len(opened)], sends(squeezed(1, 0, quarter, nil), squeezed(1, 256<<10, quarter, nil),
				squeezed(1, 512<<10, quarter, nil), squeezed(1, 768<<10, quarter, make([]byte, 32))),
				answers(rejects(1, 2, "the hash of the leaf that ends at 1048576 does not match")), sends(open(1, vectorGen, 7)), answers(at(1, nil)))},
		{"receiver-offset", "DATA beyond the end of the copy: a REJECT of the channel.",
			append(opened[:len(opened):len(opened)], sends(data(1, 1, aLine)), answers(rejects(1, 4, "bytes from 1 on, and the copy ends at 0")))},
		{"receiver-proof", "A SEAL of other bytes: a REJECT of the channel.",
			append(opened[:len(opened):len(opened)], sends(data(1, 0, aLine), seal(1, []byte("A line\n"), 7, 1)),
				answers(rejects(1, 9, "the seal is of 7 bytes, or of others than the 7 of the copy")))},
		{"receiver-ended", "OPEN with flag 1, and ENDED: the file has left its path. Neither is answered.",
			append(opened[:len(opened):len(opened)], sends(frame(10, 0, 1, 0, uint64(1_700_000_000_000_000_000)), frame(16, 0, 0, 0, []byte("12345678"))),
				answers(frame(17, 0, 0, 0, []byte("12345678"))))},
		{"receiver-check", "CHECK of the leaves of a copy, the last of which is of the rest; of leaves beyond the\nend; and of a copy that does not exist: LEAVES with flag 1.",
			append(opened[:len(opened):len(opened)], sends(data(1, 0, aLine)), answers(ack(1, 7)), sends(frame(11, 0, 0, 0, vectorGen, uint32(64))),
				answers(frame(12, 0, 0, 0, vectorGen, uint64(7), 0, 1, hashOf(aLine))),
				sends(frame(11, 0, 0, 1<<62, vectorGen, uint32(1))), answers(frame(12, 0, 0, 1<<62, vectorGen, uint64(7), 0, 0)),
				sends(frame(11, 0, 0, 0, other, uint32(1))), answers(frame(12, 1, 0, 0, other, uint64(0), 0, 0)))},
		{"receiver-later", "What a later version may add is passed over: types from 128 on, optional features,\nand bytes behind a payload.",
			[]line{sends(frame(1, 0, 0, 0, uint16(9), uint32(0), uint32(1<<31|1), vectorInst, str("web1"), str("test"), []byte("more"))),
				answers(frame(2, 0, 0, 0, uint16(1), uint32(0), uint32(1), make([]byte, 16), str("vault"), str("test"))),
				sends(frame(200, 7, 9, 9, []byte("anything")), frame(16, 0, 0, 0, []byte("123456789"))),
				answers(frame(17, 0, 0, 0, []byte("12345678")))}},
		{"receiver-closed-channel", "DATA, SEAL and ENDED of a channel that is not open are passed over.",
			append(hi[:2:2], sends(data(5, 0, aLine), seal(5, nil, 0, 1), frame(10, 0, 5, 0, uint64(1)), frame(16, 0, 0, 0)), answers(frame(17, 0, 0, 0)))},
	}
}

// refused are said to a receiver, which ends the connection.
func refused() []vector {
	long := str(strings.Repeat("n", 201))
	aLine := []byte("a line\n")
	reserved := again(sayHello, func(b []byte) { b[3] = 1 })
	spoilt := bytes.Clone(sayHello)
	spoilt[30] ^= 1
	huge := again(sayHello, func(b []byte) { binary.BigEndian.PutUint32(b[16:], 8+256<<10+33) })
	bomb := squeezed(1, 0, make([]byte, 256<<10), nil)
	binary.BigEndian.PutUint32(bomb[24:], 100)
	many := squeezed(1, 0, make([]byte, 256<<10), nil)
	many = append(many, bytes.Repeat(many[32:], 100)...)
	var list []vector
	add := func(name, about string, code int, before []line, b []byte) {
		list = append(list, vector{"receiver-bad-" + name, about, append(before[:len(before):len(before)], sends(b), ends(code))})
	}
	add("checksum", "One bit of the payload is another.", 2, nil, spoilt)
	add("reserved", "The reserved bytes are not zero.", 1, nil, reserved)
	add("length", "A payload longer than any.", 1, nil, huge)
	add("offset", "An offset of 2^63.", 1, hi, frame(16, 0, 0, 1<<63))
	add("first", "A frame before the HELLO.", 1, nil, frame(16, 0, 0, 0))
	add("hello-short", "A HELLO that ends too early.", 1, nil, frame(1, 0, 0, 0, uint16(1), uint32(0)))
	add("hello-twice", "A second HELLO.", 1, hi, sayHello)
	add("version", "Version 0.", 3, nil, again(sayHello, func(b []byte) { b[25] = 0 }))
	add("critical", "A critical feature that nobody has.", 3, nil, again(sayHello, func(b []byte) { b[29] = 1 }))
	add("type", "A type below 128 that nobody knows.", 1, hi, frame(40, 0, 0, 0))
	add("direction", "What only a receiver says.", 1, hi, at(1, nil))
	add("open-channel", "An OPEN of channel 0.", 1, hi, open(0, vectorGen, 7))
	add("open-names", "A path of 65 names.", 1, hi, open(1, vectorGen, 7, make([]str, 65)...))
	add("open-no-names", "A path without a name.", 1, hi, open(1, vectorGen, 7, []str{}...))
	add("open-name", "A name of 201 bytes.", 1, hi, open(1, vectorGen, 7, long))
	add("open-gen", "A generation of zeros.", 1, hi, open(1, make([]byte, 16), 7))
	add("open-size", "A size of 2^63.", 1, hi, again(open(1, vectorGen, 7), func(b []byte) { b[24+16] = 0x80 }))
	add("open-head", "A head of 4097 bytes.", 1, hi, again(open(1, vectorGen, 7), func(b []byte) { binary.BigEndian.PutUint16(b[24+32:], 4097) }))
	add("data-short", "A DATA of seven bytes.", 1, opened, frame(6, 0, 1, 0, uint32(1), make([]byte, 3)))
	add("data-empty", "A DATA without bytes of the file.", 1, opened, data(1, 0, nil))
	add("data-number", "A DATA that says it has one more.", 1, opened, again(data(1, 0, aLine), func(b []byte) { b[27]++ }))
	add("data-large", "A DATA of 256 KiB and one.", 1, opened, frame(6, 1, 1, 0, uint32(256<<10+1), uint32(0), make([]byte, 100)))
	add("data-checksum", "A DATA whose bytes have another CRC.", 2, opened, again(data(1, 0, aLine), func(b []byte) { b[31]++ }))
	add("data-over-leaf", "A DATA that goes over the end of its leaf.", 1, opened, data(1, 1<<20-3, aLine))
	add("data-leaf-missing", "A DATA that completes a leaf, and has no hash.", 1, opened, data(1, 1<<20-7, aLine))
	add("data-leaf", "A DATA with the hash of a leaf that is not complete.", 1, opened, frame(6, 2, 1, 0, uint32(7), crc(aLine), aLine, make([]byte, 32)))
	add("data-leaf-short", "A DATA that is shorter than the hash that it is said to have.", 1, opened, frame(6, 2, 1, 0, make([]byte, 20)))
	add("zstd", "Compressed bytes that are none.", 1, opened, frame(6, 1, 1, 0, uint32(7), crc(aLine), aLine))
	add("zstd-bomb", "Compressed bytes that say they are 100, and are 256 KiB.", 1, opened, again(bomb, func([]byte) {}))
	add("zstd-short", "Compressed bytes that say they are 200, and are 100.", 1, opened,
		again(squeezed(1, 0, make([]byte, 100), nil), func(b []byte) { b[27] = 200 }))
	add("zstd-many", "Frames that are 256 KiB each, and 25 MiB together.", 1, opened, again(many, func(b []byte) { binary.BigEndian.PutUint32(b[16:], uint32(len(b)-24)) }))
	add("seal-reason", "A SEAL for no reason.", 1, opened, seal(1, nil, 0, 0))
	add("seal-reason-7", "A SEAL for a reason that nobody knows.", 1, opened, seal(1, nil, 0, 7))
	add("seal-size", "A SEAL of more bytes than the source had.", 1, opened, seal(1, aLine, 6, 1))
	add("seal-short", "A SEAL without its proof.", 1, opened, frame(8, 0, 1, 0))
	add("ended", "An ENDED without its time.", 1, opened, frame(10, 0, 1, 0, uint32(0)))
	add("check-none", "A CHECK of no leaves.", 1, hi, frame(11, 0, 0, 0, vectorGen, uint32(0)))
	add("check-many", "A CHECK of 65 leaves.", 1, hi, frame(11, 0, 0, 0, vectorGen, uint32(65)))
	cut := append(hi[:2:2], sends(open(1, vectorGen, 7)[:60]), line{who: "X", code: "eof"})
	return append(list, vector{"receiver-bad-cut", "The connection is cut inside a frame.", cut})
}

// refusedBySender are said to a sender, which ends the connection.
func refusedBySender() (list []vector) {
	asks := append(hi[:2:2], sends(open(1, vectorGen, 7)))
	add := func(name, about, code string, before []line, b []byte) {
		list = append(list, vector{"sender-" + name, about, append(before[:len(before):len(before)], answers(b), line{who: "X", code: code})})
	}
	nine := []any{9}
	for range 9 {
		nine = append(nine, vectorGen, uint64(1), make([]byte, 32))
	}
	first := hi[:1]
	add("bad-first", "An AT before the WELCOME.", "1", first, at(1, nil))
	add("bad-welcome-twice", "A second WELCOME.", "1", asks, welcome)
	add("bad-version", "A version that the sender did not offer.", "3", first, again(welcome, func(b []byte) { b[25] = 2 }))
	add("bad-critical", "A critical feature that nobody has.", "3", first, again(welcome, func(b []byte) { b[29] = 1 }))
	add("bad-direction", "What only a sender says.", "1", asks, data(1, 0, []byte("a")))
	add("bad-type", "A type below 128 that nobody knows.", "1", asks, frame(99, 0, 0, 0))
	add("bad-known", "A KNOWN of nine copies.", "1", asks, frame(5, 0, 1, 0, nine...))
	add("bad-at", "An AT without its proof.", "1", asks, frame(4, 0, 1, 0, make([]byte, 31)))
	add("bad-ack", "An ACK of thirteen bytes.", "1", asks, frame(7, 0, 0, 0, make([]byte, 13)))
	add("bad-ack-many", "An ACK of 1001 channels.", "1", asks, frame(7, 0, 0, 0, make([]byte, 12*1001)))
	add("bad-checksum", "A frame with another checksum.", "2", asks, append(at(1, nil)[:55], 7))
	add("rejected", "A REJECT of channel 0: the receiver ends the connection, and says why.", "peer 8", asks, rejects(0, 8, "closing"))
	add("fenced", "FENCED: a newer connection of this sender stands.", "another connection of this sender took over", asks, frame(14, 0, 0, 0))
	return list
}

// comparedByChecker are answers to CHECK that one that compares understands.
func comparedByChecker() []vector {
	aLine := []byte("a line\n")
	asks, same := sends(check(0, 1)), answers(held(0, 7, 0, hashOf(aLine)))
	none := answers(frame(12, 1, 0, 0, vectorGen, uint64(0), 0, 0))
	vec := func(name, about string, lines ...line) vector {
		return vector{"checker-" + name, about, append(hiChecker[:2:2], lines...)}
	}
	return []vector{
		vec("equal", "LEAVES of a copy of seven bytes, each time it is asked for: it is equal.", asks, same, asks, same, asks, same),
		vec("differs", "Of other bytes: twice, so that it cannot be that it grows.", asks, same, asks, answers(held(0, 7, 0, hashOf(nil))),
			asks, answers(held(0, 7, 0, hashOf(nil))), asks, answers(held(0, 7, 0, hashOf(nil)))),
		vec("unreadable", "A copy whose bytes the receiver cannot read: fewer hashes than were asked for.", asks, answers(held(0, 7, 1)),
			asks, answers(held(0, 7, 1)), asks, answers(held(0, 7, 1)), asks, answers(held(0, 7, 1))),
		vec("none", "Flag 1: there is no such copy.", asks, none),
		vec("diverged", "State 2: the source has other bytes, and that is known. Nothing is compared.", asks, answers(held(0, 7, 2, hashOf(nil)))),
		vec("pruned", "State 3: the bytes were removed.", asks, answers(held(0, 7, 3))),
		vec("later", "What a later version may add is passed over; a PING is answered.", asks,
			answers(frame(200, 0, 3, 9, []byte("anything")), frame(16, 0, 0, 0, []byte("123456789"))), sends(frame(17, 0, 0, 0, []byte("12345678"))),
			answers(frame(12, 1, 0, 0, vectorGen, uint64(0), 0, 0, []byte("more")))),
	}
}

// refusedByChecker are answers to CHECK that end the connection.
func refusedByChecker() (list []vector) {
	asks := append(hiChecker[:2:2], sends(check(0, 1)))
	h := hashOf([]byte("a line\n"))
	add := func(name, about, code string, b []byte) {
		list = append(list, vector{"checker-" + name, about, append(asks[:len(asks):len(asks)], answers(b), line{who: "X", code: code})})
	}
	add("bad-gen", "LEAVES of another generation than was asked for.", "1", frame(12, 0, 0, 0, []byte("generation-00002"), uint64(7), 0, 1, h))
	add("bad-first", "LEAVES from another one on.", "1", held(1, 7, 0, h))
	add("bad-many", "Two hashes, and one was asked for.", "1", held(0, 7, 0, h, h))
	add("bad-most", "A hundred hashes that are not there.", "1", frame(12, 0, 0, 0, vectorGen, uint64(7), 0, 100))
	add("bad-short", "A hash that ends too early.", "1", frame(12, 0, 0, 0, vectorGen, uint64(7), 0, 1, h[:31]))
	add("bad-head", "LEAVES without the state.", "1", frame(12, 0, 0, 0, vectorGen, uint64(7)))
	add("bad-n", "A copy of 2^63 bytes.", "1", frame(12, 0, 0, 0, vectorGen, uint64(1<<63), 0, 1, h))
	add("bad-state", "A state that nobody knows.", "1", held(0, 7, 4, h))
	add("bad-direction", "What answers no question.", "1", at(1, nil))
	add("bad-type", "A type below 128 that nobody knows.", "1", frame(99, 0, 0, 0))
	add("bad-checksum", "LEAVES with another checksum.", "2", append(held(0, 7, 0, h)[:81], 7))
	add("bad-cut", "The connection is cut inside LEAVES.", "eof", held(0, 7, 0, h)[:60])
	add("rejected", "A REJECT of channel 0: the receiver ends the connection, and says why.", "peer 8", rejects(0, 8, "closing"))
	add("fenced", "FENCED, which no one that compares is.", "another connection of this sender took over", frame(14, 0, 0, 0))
	return list
}
