// Package tcp lets clients in, looks after their connections, has the kernel send
// files to them, and write files of what they send.
//
// It does not know what is sent, or what a client may ask for; it does not log:
// it returns what it knows.
package tcp
