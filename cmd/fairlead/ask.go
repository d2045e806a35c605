package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// askLimit is how long a process that is alive may take to answer.
const askLimit = 3 * time.Second

// An answerOf is what one running process said.
type answerOf[T any] struct {
	socket string
	value  T
	err    error // it is there, but did not answer
}

// from names the process by its socket: command, name, process id.
func (a answerOf[T]) from() string {
	return strings.TrimSuffix(filepath.Base(a.socket), ".sock")
}

// askAll asks every process that shows itself for path, all at once. Processes
// that are gone, and those of other users, are left out.
func askAll[T any](ctx context.Context, state, path string) []answerOf[T] {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	var sockets []string
	for _, dir := range socketDirs(state) {
		sockets = append(sockets, socketsIn(dir)...)
	}
	answers := make([]answerOf[T], len(sockets))
	var wg sync.WaitGroup
	for i, socket := range sockets {
		wg.Go(func() {
			answers[i].socket = socket
			answers[i].err = ask(ctx, socket, path, &answers[i].value)
		})
	}
	wg.Wait()
	var there []answerOf[T]
	for _, a := range answers {
		gone := errors.Is(a.err, syscall.ECONNREFUSED) || errors.Is(a.err, fs.ErrNotExist)
		if !gone && !errors.Is(a.err, fs.ErrPermission) && !errors.Is(a.err, errCannotSay) {
			there = append(there, a)
		}
	}
	return there
}

// errCannotSay is the answer of a process that does not know the question.
var errCannotSay = errors.New("it does not answer that")

func ask(ctx context.Context, socket, path string, into any) error {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://fairlead"+path, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s", askLimit)
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return errCannotSay
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answered %s", resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
