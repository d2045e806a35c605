// Package inotify turns the kernel's file events into hints.
//
// It does not decide anything: an event says "look there again", the file says
// what happened. It does not watch single files, only directories, and it does
// not poll; where the system has no inotify, New fails with ErrUnsupported and
// the caller polls.
package inotify

import "errors"

// ErrUnsupported is returned by New where there is no inotify.
var ErrUnsupported = errors.New("no inotify on this system")

// ErrLimit is returned when the kernel gives no more watches or instances
// (fs.inotify.max_user_watches, fs.inotify.max_user_instances).
var ErrLimit = errors.New("inotify limit reached")

// An Op says what may have happened. Several may be set.
type Op uint8

const (
	Create    Op = 1 << iota // a name appeared
	Delete                   // a name was unlinked
	MovedFrom                // a name was renamed away; see Event.Cookie
	MovedTo                  // a name was renamed to here; see Event.Cookie
	Modify                   // bytes were written or cut
	Attrib                   // mode, owner, links or times changed
	Self                     // the directory itself was moved, deleted or unmounted
	Overflow                 // events were lost: everything must be looked at
)

// An Event is one hint.
type Event struct {
	Watch  int32  // what Add returned; -1 for Overflow
	Name   string // the entry in that directory; empty for Self and Overflow
	Op     Op
	IsDir  bool   // the entry is a directory
	Cookie uint32 // equal in the two halves of one rename
}
