package serve

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"time"

	"fairlead/logfile"
)

// An entry is one log in the answer to GET /logs.
type entry struct {
	Name       string    `json:"name"`
	State      string    `json:"state"` // ok, missing, unreadable, parked
	Error      string    `json:"error,omitempty"`
	Size       int64     `json:"size"`
	Generation string    `json:"generation,omitempty"`
	Modified   time.Time `json:"modified,omitzero"`
	Clients    int       `json:"clients"`
	Lag        int64     `json:"lag"` // bytes its slowest client has not got
	Older      []older   `json:"older,omitempty"`
}

// An older generation can be read with ?gen=.
type older struct {
	Generation string    `json:"generation"`
	Size       int64     `json:"size"`
	Modified   time.Time `json:"modified,omitzero"`
}

func (s *Server) serveList(w http.ResponseWriter, r *http.Request) error {
	stranger := s.strangerHTTP(r)
	loads := s.loads()
	entries := []entry{}
	for _, log := range s.Files.Logs() {
		if st := log.Stat(); !stranger || listable(log, st) {
			entries = append(entries, newEntry(log, st, loads[log]))
		}
	}
	return writeJSON(w, http.StatusOK, entries)
}

// listable says whether a stranger is shown a log: it would get it, or there is
// nothing to get.
func listable(log *logfile.Log, st logfile.Stat) bool {
	if st.Current == nil {
		return false
	}
	fi, err := os.Stat(st.Current.Path) // a log that is told its news has no file of its name
	return err == nil && openToAll(st.Current.Path, fi) == nil
}

func newEntry(log *logfile.Log, st logfile.Stat, l load) entry {
	e := entry{Name: log.Name(), State: "ok", Clients: l.clients, Lag: l.lag}
	if g := st.Current; g != nil {
		e.Size, e.Generation, e.Modified = g.Size, g.ID.String(), g.Modified
	}
	switch {
	case errors.Is(st.Err, logfile.ErrParked):
		e.State, e.Error = "parked", st.Err.Error()
	case st.Err != nil:
		e.State, e.Error = "unreadable", st.Err.Error()
	case st.Current == nil:
		e.State = "missing"
	}
	for _, g := range st.Old {
		if g.Readable && st.Find(g.ID) == g { // else it is a part of one that is told of elsewhere
			e.Older = append(e.Older, older{g.ID.String(), g.Size, g.Modified})
		}
	}
	return e
}

// serveCandidates answers a name that could mean several logs.
func (s *Server) serveCandidates(w http.ResponseWriter, r *http.Request, e *logfile.AmbiguousError) {
	candidates := []string{}
	stranger := s.strangerHTTP(r)
	for _, name := range e.Candidates {
		log, err := s.Files.Lookup(name)
		if err == nil && (!stranger || listable(log, log.Stat())) {
			candidates = append(candidates, name)
		}
	}
	writeJSON(w, http.StatusConflict, struct {
		Error      string   `json:"error"`
		Candidates []string `json:"candidates"`
	}{"more than one log has that name: ask for one of the candidates", candidates})
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(append(body, '\n'))
	return nil
}
