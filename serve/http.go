package serve

import (
	"errors"
	"net/http"
	"strings"

	"fairlead/logfile"
	"fairlead/trust"
)

// ServeHTTP answers GET /logs and GET /logs/NAME. Where it runs in another
// http.Server than that of [Server.ServeWeb], and that one lacks
// [trust.WithPeer], no client of this machine is known to be ours: they get what
// everyone may read.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, isLog := strings.CutPrefix(r.URL.Path, "/logs/")
	err := s.checkRequest(r)
	switch {
	case err != nil:
	case isLog && name != "":
		err = s.serveLog(w, r, name)
	case r.URL.Path == "/logs" || isLog:
		err = s.serveList(w, r)
	default:
		err = httpError{http.StatusNotFound, "no such page: there are /logs and /logs/NAME"}
	}
	if err != nil {
		s.refuse(w, r, err)
	}
}

// An httpError is a refusal before anything was sent.
type httpError struct {
	status int
	reason string // and the cure
}

func (e httpError) Error() string { return e.reason }

// refuse answers with an error: the reason and the cure, for people.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var e httpError
	var ambiguous *logfile.AmbiguousError
	switch {
	case errors.As(err, &e):
	case errors.As(err, &ambiguous):
		s.serveCandidates(w, r, ambiguous)
		return
	case errors.Is(err, logfile.ErrNotFound):
		e = httpError{http.StatusNotFound, err.Error() + "; GET /logs lists them all"}
	case errors.Is(err, errRefused):
		s.resets[refused].Add(1)
		e = httpError{http.StatusForbidden, err.Error()}
	case errors.Is(err, logfile.ErrEnded):
		e = httpError{http.StatusGone, err.Error() + "; GET /logs names what can be read"}
	default: // the file cannot be read at the moment
		e = httpError{http.StatusServiceUnavailable, err.Error() + "; try again later, or ask fairlead why"}
	}
	if e.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", "GET, HEAD")
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, e.reason, e.status)
}

// checkRequest refuses what no client of ours sends: a page of another site
// that reaches for us, or a name of another site that leads here.
func (s *Server) checkRequest(r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return httpError{http.StatusMethodNotAllowed, r.Method + " is not for logs: use GET or HEAD"}
	}
	if err := trust.OtherSite(r, ""); err != nil {
		return httpError{http.StatusForbidden, err.Error()}
	}
	return nil
}

// serveLog answers GET /logs/NAME.
func (s *Server) serveLog(w http.ResponseWriter, r *http.Request, name string) error {
	q, err := parseQuery(r.URL.Query())
	if err != nil {
		return httpError{http.StatusBadRequest, err.Error()}
	}
	if r.Header.Get("Range") != "" && q.places {
		return httpError{http.StatusBadRequest, "both a Range and a position: give one of them"}
	}
	log, err := s.Files.Lookup("/" + strings.TrimPrefix(name, "/")) // a path before a suffix
	if err != nil {
		return err
	}
	st := log.Stat()
	gen, err := q.generation(log, st)
	if err != nil {
		return err
	}
	p := page{srv: s, log: log, gen: gen, stranger: s.strangerHTTP(r)}
	if err := p.check(st, q.follow); err != nil {
		return err
	}
	p.header(w.Header())
	at := q.From.Resolve(logfile.Stat{Current: gen})
	if gen != nil && at.Off > gen.Size {
		return p.beyond(w, at.Off)
	}
	if gen != nil && (q.places || q.follow) {
		w.Header().Set("Fairlead-Position", at.String())
	}
	if q.follow {
		return p.follow(w, r, at)
	}
	return p.serve(w, r, at.Off)
}
