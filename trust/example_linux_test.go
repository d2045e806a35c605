package trust_test

import (
	"fmt"
	"net"
	"os"

	"fairlead/trust"
)

func ExamplePeerUID() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	conn, err := ln.Accept()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()

	uid, ok := trust.PeerUID(conn)
	fmt.Println("ours:", ok && int(uid) == os.Getuid())
	// Output: ours: true
}
