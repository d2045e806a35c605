package logwisp

import (
	"encoding/json"
	"net/http"
	"strings"

	"fairlead/trust"
)

// ServerStatus is what /status says of one server. LogWisp had the first three,
// and counted its clients as 0.
type ServerStatus struct {
	Clients     int64 `json:"active_clients"`
	BufferSize  int   `json:"buffer_size"`
	Port        int   `json:"port"`
	Total       int64 `json:"total_clients"`
	SentBytes   int64 `json:"sent_bytes"`
	Gaps        int64 `json:"gaps"`         // told to clients: where LogWisp would have dropped
	GapBytes    int64 `json:"gap_bytes"`    // that they were about
	BehindBytes int64 `json:"bytes_behind"` // that the slowest client has not got
}

// Status is what /status answers; the keys are in alphabetical order.
type Status struct {
	HTTP      ServerStatus  `json:"http_server"`
	LostBytes int64         `json:"lost_bytes"` // of files, gone before they could be read
	Service   string        `json:"service"`
	TCP       *ServerStatus `json:"tcp_server,omitempty"`
	Uptime    int64         `json:"uptime_seconds"`
	Version   string        `json:"version"`
}

// What LogWisp says of itself, whatever its version is.
const (
	Service = "LogWisp"
	Version = "3.0.0"
)

// Pages answers as LogWisp did: only the path counts, and whatever is neither of
// the two is not there.
type Pages struct {
	Stream http.Handler
	Status func() Status
}

func (p Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	switch path {
	case "/stream":
		p.Stream.ServeHTTP(w, r)
	case "/status":
		if err := trust.OtherSite(r, ""); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		st := p.Status()
		st.Service, st.Version = Service, Version
		body, err := json.Marshal(st)
		if err != nil {
			panic("bug: " + err.Error())
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Write(body)
	default:
		w.Header()["Content-Type"] = nil
		w.WriteHeader(http.StatusNotFound)
	}
}
