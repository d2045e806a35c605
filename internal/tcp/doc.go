// Package tcp lets clients in, looks after their connections and has the kernel
// send files to them.
//
// It does not know what is sent, or what a client may ask for; it does not log:
// it returns what it knows.
package tcp
