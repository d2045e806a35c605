package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"fairlead/internal/config"
)

// The exit codes are part of the interface.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2 // usage or configuration
	exitNotFound    = 3
	exitUnreachable = 4
	exitPartial     = 5
	exitMismatch    = 6 // of verify
)

// An exitError ends the program with a code of its own. Without an err nothing
// is printed: what there is to say has been said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func exitf(code int, format string, args ...any) error {
	return &exitError{code, fmt.Errorf(format, args...)}
}

func usagef(format string, args ...any) error {
	return exitf(exitUsage, format, args...)
}

// report says on w what went wrong, if anything, and returns the exit code.
func report(w io.Writer, err error) int {
	var e *exitError
	var wrong *config.Error
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return exitOK
	case stdoutClosed(err):
		return exitOK // head has seen enough
	case errors.As(err, &wrong): // each line begins with its place, as a compiler's
		fmt.Fprintln(w, printable(err.Error()))
		return exitUsage
	case !errors.As(err, &e):
		e = &exitError{exitFailed, err}
	}
	if e.err != nil {
		fmt.Fprintf(w, "fairlead: %s\n", printable(e.Error()))
	}
	return e.code
}

// errStdout marks what went wrong with stdout, so that a broken pipe there is
// told from one elsewhere.
type errStdout struct{ err error }

func (e errStdout) Error() string { return fmt.Sprintf("write to stdout: %v", e.err) }
func (e errStdout) Unwrap() error { return e.err }

func stdoutClosed(err error) bool {
	var out errStdout
	return errors.As(err, &out) && errors.Is(out.err, syscall.EPIPE)
}
