package stream

// AppendEvent is what a client is sent for a line of the spool.
var AppendEvent = appendEvent
