// Package standin is what the command lines of the older tools share.
//
// It does not know any of the tools: each has its own package below this one.
package standin
