// Package archtest holds the rules of the house, each with its reason, and
// finds what breaks them.
//
// It does not judge what the code does or how it reads: only who imports whom,
// what is called where, how long things are, and whether what the documents
// name is there. Taste is left to people.
//
// A [Tree] is the source of the module, read as text and syntax, so a rule holds
// for the files of every operating system and for a package from the day it
// appears. The table [House] has the rules. What may break one is listed by name
// with its reason in exceptions.go, and an exception that is not needed any more
// is an error too. Each rule's test has a small breach of it that must be caught.
package archtest
