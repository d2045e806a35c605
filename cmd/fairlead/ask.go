package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	err := tell(ctx, socket, http.MethodGet, path, nil, into)
	var no *refusal
	if errors.As(err, &no) && no.status == http.StatusNotFound {
		return errCannotSay
	}
	return err
}

// A refusal is an answer that is no.
type refusal struct {
	status int
	reason string
}

func (r *refusal) Error() string {
	if r.reason == "" {
		return fmt.Sprintf("it answered %d %s", r.status, http.StatusText(r.status))
	}
	return r.reason
}

// tell sends a request with body, if there is one, as JSON, and reads the answer
// into into, if there is that.
func tell(ctx context.Context, socket, method, path string, body, into any) error {
	resp, err := request(ctx, socket, method, path, body)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s", askLimit)
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if into == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// request sends it, and returns what is not a refusal.
func request(ctx context.Context, socket, method, path string, body any) (*http.Response, error) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://fairlead"+path, &content)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	if err == nil && resp.StatusCode >= 300 {
		defer resp.Body.Close()
		reason, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)) // what there is of it
		return nil, &refusal{resp.StatusCode, strings.TrimSpace(string(reason))}
	}
	return resp, err
}
