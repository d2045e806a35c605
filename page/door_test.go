//go:build unix

package page_test

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// A door stands between a browser and a host. It can be shut, as a network that is
// away; it can hold what is under way, as one that sleeps; and it can change what
// passes.
type door struct {
	url string
	srv *httptest.Server

	shut    atomic.Bool
	held    atomic.Bool
	reach   atomic.Int64 // connections that were made through it
	streams atomic.Int64 // requests for the stream
	newer   atomic.Bool  // the server seems to have another page
	foreign atomic.Bool  // whoever asks seems to be elsewhere

	mu    sync.Mutex // guards what follows
	conns map[*passage]struct{}
}

// newDoor opens one in front of a host.
func newDoor(t *testing.T, h *host) *door {
	t.Helper()
	d := &door{conns: make(map[*passage]struct{})}
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // that requests break off is the point
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", h.addr, r.In.Host
			if d.foreign.Load() {
				r.Out.Header.Set("X-Forwarded-For", "192.0.2.1")
			}
		},
		ModifyResponse: func(r *http.Response) error {
			if d.newer.Load() {
				r.Header.Set("Fairlead-Page", "0123456789ab")
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { panic(http.ErrAbortHandler) },
	}
	d.srv = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" && !r.URL.Query().Has("before") {
			d.streams.Add(1)
		}
		proxy.ServeHTTP(w, r)
	}))
	d.srv.Listener = &threshold{Listener: d.srv.Listener, door: d}
	d.srv.Start()
	d.url = d.srv.URL + "/"
	t.Cleanup(func() {
		d.open()
		d.cut()
		d.srv.Close()
	})
	return d
}

// close lets nobody through, and ends what is under way.
func (d *door) close() {
	d.shut.Store(true)
	d.cut()
}

// open lets everybody through again.
func (d *door) open() {
	d.shut.Store(false)
	d.held.Store(false)
	d.mu.Lock()
	defer d.mu.Unlock()
	for p := range d.conns {
		p.free()
	}
}

// cut ends what is under way.
func (d *door) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for p := range d.conns {
		p.Conn.Close()
		p.free()
	}
}

// hold keeps what the host sends from now on, and says nothing of it.
func (d *door) hold() { d.held.Store(true) }

// A threshold is where connections come in.
type threshold struct {
	net.Listener
	door *door
}

func (l *threshold) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.door.shut.Load() {
			c.Close()
			continue
		}
		l.door.reach.Add(1)
		p := &passage{Conn: c, door: l.door, freed: make(chan struct{})}
		l.door.mu.Lock()
		l.door.conns[p] = struct{}{}
		l.door.mu.Unlock()
		return p, nil
	}
}

// A passage is one connection.
type passage struct {
	net.Conn
	door  *door
	once  sync.Once
	freed chan struct{}
}

func (p *passage) free() { p.once.Do(func() { close(p.freed) }) }

func (p *passage) Write(b []byte) (int, error) {
	if p.door.held.Load() {
		<-p.freed
	}
	return p.Conn.Write(b)
}

func (p *passage) Close() error {
	p.door.mu.Lock()
	delete(p.door.conns, p)
	p.door.mu.Unlock()
	p.free()
	return p.Conn.Close()
}

// abroad stands for all machines but this one: the browser has it for a proxy,
// and it remembers who was asked for.
type abroad struct {
	url string
	srv *httptest.Server
	mu  sync.Mutex
	all []string
}

func newAbroad() *abroad {
	a := &abroad{}
	a.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.all = append(a.all, r.Method+" "+r.Host+" "+r.URL.Path)
		http.Error(w, "there is nobody", http.StatusBadGateway)
	}))
	a.url = a.srv.URL
	return a
}

func (a *abroad) close() { a.srv.Close() }

// asked returns what was asked of hosts whose name has this part.
func (a *abroad) asked(part string) (found []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.all {
		if strings.Contains(s, part) {
			found = append(found, s)
		}
	}
	return found
}
