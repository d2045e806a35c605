package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"fairlead/logfile"
	"fairlead/serve"
	"fairlead/ship/plain"
	"fairlead/stream"
	"fairlead/trust"
)

// A local is what a long-running command shows of itself on its socket: status,
// why, and the logs.
type local struct {
	command  string
	name     string // of this process among its kind; may be empty
	bound    []endpoint
	set      *logfile.Set  // nil: it reads no files
	server   *serve.Server // nil: it serves none to others
	mirror   *serve.Mirror
	ship     *shipping       // nil: it sends nothing to others
	receive  *receiving      // nil: it takes nothing from others
	plainOut *plainShipping  // nil: it sends nothing in the clear
	plainIn  *plain.Receiver // nil: it takes nothing in the clear
	stream   *stream.Stream  // nil: it makes no entries
	events   *stream.SSE
	entries  *stream.TCP
	byPlace  *stream.Entries
	tokens   *trust.Tokens // nil: who may ask over HTTP is not decided by tokens
	log      *slog.Logger
	started  time.Time

	verifying sync.Mutex // one verification at a time
	found     findings   // of them

	problems      func() []problem // that the rest does not show; may be nil
	metricSources int              // how many sources have metrics of their own
}

// start opens the socket and answers until ctx ends or stop is called; stop
// returns when that has ended. A process that cannot be asked works all the
// same.
func (l *local) start(ctx context.Context, state string) (stop func()) {
	l.started = time.Now()
	name := l.command
	if l.name != "" {
		name += "-" + l.name
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	stop = func() {
		cancel()
		all.Wait()
	}
	all.Go(func() { giveBackMemory(ctx) })
	ln, err := listenLocal(fmt.Sprintf("%s-%d", name, os.Getpid()), state, l.log)
	if err != nil {
		l.log.Warn("`fairlead status` and `why` will not see this process", "err", err)
		return stop
	}
	// Its own server: whoever asks how we are must get in when all places for
	// clients are taken, and does not hold up the end. Who may ask at all the
	// listener has decided.
	srv := &serve.Server{Files: l.set, Log: l.log, ShareLocal: true, Drain: time.Second}
	all.Go(func() {
		if err := srv.ServeWeb(ctx, ln, l.handler(srv)); err != nil {
			l.log.Warn("local socket closed", "err", err)
		}
	})
	return stop
}

func (l *local) handler(srv *serve.Server) http.Handler {
	mux := http.NewServeMux()
	l.routes(mux, srv)
	if l.tokens != nil {
		l.tokenRoutes(mux)
	}
	if l.ship != nil || l.receive != nil {
		mux.HandleFunc("GET /verify", l.verify)
	}
	if l.set != nil {
		mux.HandleFunc("GET /why", func(w http.ResponseWriter, r *http.Request) {
			answer(w, l.explain(r.URL.Query().Get("path")))
		})
	}
	return mux
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	printJSON(w, v) // an error here is a client that left
}

// An explanation is the JSON of a logfile.Why; it is documented as stable.
type explanation struct {
	Path       string `json:"path"`
	Collected  bool   `json:"collected"`
	Target     string `json:"target,omitempty"` // the one that decided, as it was given
	Rule       string `json:"rule"`             // what decided
	Cure       string `json:"cure,omitempty"`   // what to do about it
	OlderOf    string `json:"older_of,omitempty"`
	Generation string `json:"generation,omitempty"`
	Size       int64  `json:"size,omitempty"`
	Error      string `json:"error,omitempty"`

	Shipped []shippedReport `json:"shipped,omitempty"` // to whom, and how far they have it
	From    string          `json:"from,omitempty"`    // of a copy: its sender,
	Stored  string          `json:"stored,omitempty"`  // its file in the store,
	Copy    string          `json:"copy,omitempty"`    // and open, sealed or diverged
}

func explain(set *logfile.Set, path string) explanation {
	why := set.Why(path)
	e := explanation{Path: why.Path, Collected: why.Collected, Target: why.Target, Rule: why.Rule, Cure: why.Cure}
	if why.OlderOf != nil {
		e.OlderOf = why.OlderOf.Name()
	}
	if why.Log != nil {
		st := why.Log.Stat()
		if st.Current != nil {
			e.Generation, e.Size = st.Current.ID.String(), st.Current.Size
		}
		if st.Err != nil {
			e.Error = st.Err.Error()
		}
	}
	return e
}
