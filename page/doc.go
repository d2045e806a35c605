// Package page is the web page: one address that shows the entries as they come,
// the lines of a file from any byte on, and how the sources do.
//
// It does not read a log, know a room, or answer for one. The page in the browser
// asks the same HTTP that everybody can ask by curl: /stream, /entries, /logs,
// /status and /why (doc/protocol.md). It does not ask any other machine, run a
// script that is not in a file of its own, or make HTML of what a log says.
//
// What the browser gets are the files in app, as they are: ES modules without a
// build step. They are served below /page/VERSION/, where they never change, so a
// browser keeps them; VERSION is of their content. GET / names the version and is
// never kept: a page that stays open for days learns from the header
// Fairlead-Page of any answer that there is a newer one.
package page
