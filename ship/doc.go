// Package ship keeps byte-exact copies of growing files on other machines: a
// [Sender] sends the logs of a Set, a [Receiver] stores what senders send.
//
// It does not find or watch files, decide whom to trust, or look inside the bytes.
// What is said between the two, and why a copy can be believed, is package replica;
// where a copy is on disk is ship/store.
//
// The receiver's durable length is the only truth about how far a file has come. What
// a sender keeps is a cache, in the directory State: `instance`, which tells two
// senders of one machine apart; `leaves`, the hashes of what was read, so that it need
// not be read again to be proven; and `lost`, the ledger of what could not be sent
// because it was gone. They are described in doc/disk.md.
package ship
