package serve

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"fairlead/internal/tcp"
	"fairlead/logfile"
)

// A page is a response with bytes of one generation. All that it announces,
// size and ETag, belongs to that one.
type page struct {
	srv      *Server
	log      *logfile.Log
	gen      *logfile.Gen // nil: there is none yet, and the client waits for it
	stranger bool
}

func (p page) etag() string { return `"` + p.gen.ID.String() + `"` }

// check says why there is nothing for this client.
func (p page) check(st logfile.Stat, waits bool) error {
	switch {
	case p.gen == nil && st.Err != nil:
		return fmt.Errorf("read %s: %w", p.log.Name(), st.Err)
	case p.gen == nil && !waits:
		return httpError{http.StatusNotFound, p.log.Name() + " is not there at the moment; ?follow waits for it"}
	case p.gen == nil || !p.stranger:
		return nil
	}
	h, err := p.log.Open(p.gen.ID)
	if err != nil {
		return err
	}
	defer h.Close()
	return everyoneMayRead(p.log, p.gen.ID, h.File())
}

// header sets what all answers have. If-None-Match is never answered: a
// generation keeps its ETag while it grows, so 304 would hide what is new.
func (p page) header(h http.Header) {
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Accept-Ranges", "bytes")
	if p.gen != nil {
		h.Set("ETag", p.etag())
	}
}

// beyond answers a position behind the end.
func (p page) beyond(w http.ResponseWriter, off int64) error {
	w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", p.gen.Size))
	return httpError{http.StatusRequestedRangeNotSatisfiable, fmt.Sprintf(
		"byte %d is behind the end of generation %s, which has %d bytes", off, p.gen.ID, p.gen.Size)}
}

// serve sends the bytes from off on, or the Range that is asked for, as far as
// the file reached when the request came.
func (p page) serve(w http.ResponseWriter, r *http.Request, off int64) error {
	h, err := p.log.Open(p.gen.ID)
	if err != nil {
		return err
	}
	defer h.Close()
	want := logfile.Range{From: off, To: p.gen.Size}
	status := http.StatusOK
	if r.Method == http.MethodGet && (r.Header.Get("If-Range") == "" || r.Header.Get("If-Range") == p.etag()) {
		part, ok := parseRange(r.Header.Get("Range"), p.gen.Size)
		if ok && part.Len() == 0 {
			return p.beyond(w, part.From)
		}
		if ok {
			want, status = part, http.StatusPartialContent
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", want.From, want.To-1, p.gen.Size))
		}
	}
	w.Header().Set("Content-Length", fmt.Sprint(want.Len()))
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		p.srv.send(w, r, h, want)
	}
	return nil
}

// send sends a range. On TCP all but its last byte goes by sendfile. The last
// one is held back until all before it is proven: a response that is complete
// is of one generation. One that is not is broken off.
func (s *Server) send(w http.ResponseWriter, r *http.Request, h logfile.Handle, want logfile.Range) {
	if want.Len() == 0 {
		return
	}
	last := want.To - 1
	var src io.Reader = io.NewSectionReader(h.File(), want.From, want.Len())
	if own, err := reopen(h.File()); err == nil { // with a position of its own
		defer own.Close()
		own.Seek(want.From, io.SeekStart)
		src = own
	}
	rc := http.NewResponseController(w)
	rc.Flush() // the header, or net/http would copy the first bytes behind it
	for off := want.From; off < last; {
		rc.SetWriteDeadline(time.Now().Add(tcp.WriteTimeout))
		n, err := io.CopyN(w, src, min(last-off, pieceMax))
		s.sent.Add(n)
		off += n
		if h.Check() != nil {
			s.breakOff(r, changed)
		}
		if err != nil {
			panic(http.ErrAbortHandler) // the client left
		}
	}
	n, err := httpOut(w).Piece(&h, last, 1)
	s.sent.Add(int64(n))
	if errors.Is(err, tcp.ErrStale) {
		s.breakOff(r, changed)
	}
	rc.SetWriteDeadline(time.Time{})
}

// breakOff closes the connection before the response is complete.
func (s *Server) breakOff(r *http.Request, why reason) {
	s.resets[why].Add(1)
	s.logger().Info("response broken off", "reason", why.String(), "url", r.URL.Path, "peer", r.RemoteAddr)
	panic(http.ErrAbortHandler)
}

// httpOut is the way out into a response.
func httpOut(w http.ResponseWriter) tcp.Copier {
	rc := http.NewResponseController(w)
	return tcp.Copier{W: flusher{w, rc}, Before: func() { rc.SetWriteDeadline(time.Now().Add(tcp.WriteTimeout)) }}
}

type flusher struct {
	w  io.Writer
	rc *http.ResponseController
}

func (f flusher) Write(b []byte) (int, error) {
	n, err := f.w.Write(b)
	if err == nil {
		err = f.rc.Flush()
	}
	return n, err
}

// follow sends the bytes from a position on, and those that come, until the
// generation ends.
func (p page) follow(w http.ResponseWriter, r *http.Request, at logfile.Pos) error {
	rd := &reader{srv: p.srv, log: p.log, out: httpOut(w), stranger: p.stranger}
	if p.srv.AtEnd == AtEndFollow {
		rd.atEnd = AtEndFollow
	}
	w.WriteHeader(http.StatusOK)
	rc := http.NewResponseController(w)
	rc.Flush()
	if r.Method == http.MethodHead {
		return nil
	}
	from := logfile.FromByte(at)
	if p.gen == nil {
		from = logfile.FromOffset(at.Off)
	}
	var end *logfile.Ended
	switch err := rd.run(r.Context(), from); {
	case errors.As(err, &end) && end.Lost.Len() > 0:
		p.srv.breakOff(r, cut)
	case errors.Is(err, logfile.ErrEnded):
		p.srv.resets[ended].Add(1)
	case errors.Is(err, errRefused):
		p.srv.breakOff(r, refused)
	}
	rc.SetWriteDeadline(time.Time{})
	return nil
}

// reopen opens a file once more, by its descriptor: its name may mean another
// file by now, or nothing.
func reopen(f *os.File) (*os.File, error) {
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
}
