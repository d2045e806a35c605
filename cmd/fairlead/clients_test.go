package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

// netcat and curl are what scripts read a stream with in the background: they
// print what comes until the other side closes.

// netcat is `nc ADDR`.
func netcat() {
	conn, err := net.Dial("tcp", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	io.Copy(os.Stdout, conn)
}

// curl is `curl -N URL`.
func curl() {
	resp, err := http.Get(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	io.Copy(os.Stdout, resp.Body)
}
