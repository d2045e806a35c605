// Package logfiletest tells whether a logfile.Source keeps its word.
//
// It does not test where the bytes come from: whoever makes a source, of a file
// of this machine, of this process or of another one, brings the hand that
// writes to it, a [Feeder], and runs [Run] over both.
package logfiletest
