//go:build !linux

package tcp

import "net"

// NewIn returns the way in of a connection.
func NewIn(conn net.Conn) In { return copyIn{conn} }
