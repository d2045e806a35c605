package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

// askMany is `fairlead-ask "METHOD URL [NAME=VALUE]..."...`: for each request a line
// of the status and the first bytes that come.
func askMany() {
	client := http.Client{Timeout: patience}
	for _, arg := range os.Args[1:] {
		words := strings.Fields(arg)
		req, err := http.NewRequest(words[0], words[1], nil)
		for _, header := range words[2:] {
			name, value, _ := strings.Cut(header, "=")
			if req.Header.Set(name, strings.ReplaceAll(value, "+", " ")); name == "Host" {
				req.Host = value
			}
		}
		var resp *http.Response
		if err == nil {
			resp, err = client.Do(req)
		}
		if err != nil {
			fmt.Println(err)
			continue
		}
		first := make([]byte, 20)
		n, _ := io.ReadFull(resp.Body, first)
		resp.Body.Close()
		fmt.Printf("%d %q\n", resp.StatusCode, first[:n])
	}
}

// netcat and curl are what scripts read a stream with in the background: they
// print what comes until the other side closes.

// netcat is `nc ADDR [HEADER]`.
func netcat() {
	conn, err := net.Dial("tcp", os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if len(os.Args) > 2 {
		fmt.Fprintln(conn, os.Args[2])
	}
	io.Copy(os.Stdout, conn)
}

// curl is `curl -N URL [TOKEN]`.
func curl() {
	req, err := http.NewRequest(http.MethodGet, os.Args[1], nil)
	if err == nil && len(os.Args) > 2 {
		req.Header.Set("Authorization", "Bearer "+os.Args[2])
	}
	var resp *http.Response
	if err == nil {
		resp, err = http.DefaultClient.Do(req)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	io.Copy(os.Stdout, resp.Body)
}
