// Package logship reads the command line of logship, the older tool that copies
// growing files to another host.
//
// It does not send, receive, open a file, or print: it returns what the command line
// means as a value, or an error. What logship does with it is package ship/plain's to do.
package logship
