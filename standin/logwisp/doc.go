// Package logwisp reads the command line, the configuration file and the
// environment of LogWisp v0.1.3, the older tool that turns the lines of log
// files into entries and streams them over HTTP and TCP.
//
// It does not serve anything, open a log, or print: it returns what LogWisp was
// told as a value, or an error. It looks whether a target is a directory, and
// reads the one configuration file; what comes of the value is for others to do.
//
// The command line goes before the environment, that before the file, and that
// before the defaults, key by key; a list of targets replaces a whole list. Each
// key is one line in keys.go, whoever sets it.
package logwisp
