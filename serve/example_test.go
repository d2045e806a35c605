package serve_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"fairlead/logfile"
	"fairlead/serve"
)

// A file is served from its last eight bytes on, while it grows.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "app.log")
	if err := os.WriteFile(path, []byte("started\nworking\n"), 0o644); err != nil {
		fmt.Println(err)
		return
	}

	files := &logfile.Set{}
	if err := files.Add(path); err != nil {
		fmt.Println(err)
		return
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error, 2)
	go func() { done <- files.Run(ctx) }()
	srv := &serve.Server{Files: files}
	go func() { done <- srv.Serve(ctx, ln) }()

	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	fmt.Fprintln(client, "-8")
	io.CopyN(os.Stdout, client, 8)

	log, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer log.Close()
	fmt.Fprintln(log, "finished")
	io.CopyN(os.Stdout, client, 9)

	client.Close()
	stop()
	fmt.Println(<-done, <-done)
	// Output:
	// working
	// finished
	// <nil> <nil>
}
