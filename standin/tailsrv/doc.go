// Package tailsrv reads the command line of tailsrv, the older tool that serves
// one growing file over TCP from any byte on.
//
// It does not serve anything, open the file, or print: it returns what the
// command line means as a value, or an error. What tailsrv does with it is
// package serve's to do.
package tailsrv
