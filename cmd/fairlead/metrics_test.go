package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// oneOfEach is a report with every kind of number.
func oneOfEach() processReport {
	read := int64(90)
	return processReport{
		Command: "up", Ready: true, Uptime: 12.5,
		Sources: []sourceReport{
			{Name: "/var/log/a.log", Size: 100, Read: &read},
			{Name: "/var/log/\xff\"\n.log", Size: 7},
			{Name: "/var/log/c.log", Size: 1 << 40},
		},
		Receive: &receiveReport{Commits: commitsReport{Count: 6, Seconds: 1.5, Times: []int64{0, 1, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}},
		Counters: map[string]int64{
			"sources": 3, "sources_parked": 1, "source_late_bytes_total": 11,
			"watch_fallback": 2, "watch_overflows_total": 4, "pinned_bytes": 5, "open_descriptors": 6,
			`source_generations_total{reason="rotated"}`:          8,
			`source_generations_total{reason="truncated"}`:        9,
			`lost_bytes_total{room="up",reason="copy\"truncate"}`: 10,
			"serve_clients": 12, "serve_sent_bytes_total": 1 << 50,
			`serve_resets_total{reason="bad header"}`: 13,
			`stream_entries_total{level="info"}`:      14,
			`stream_clients{proto="sse"}`:             15, `stream_clients{proto="tcp"}`: 16,
			`stream_sent_bytes_total{proto="sse"}`: 17, `stream_gaps_total{proto="sse"}`: 18,
			`stream_gap_bytes_total{proto="sse"}`: 19, `stream_behind_bytes{proto="sse"}`: 20,
			"spool_bytes": 21, "spool_oldest_offset": 22, "spool_pinned_bytes": 23,
			`ship_channels{state="flowing"}`: 26, "ship_lag_bytes": 27, "ship_lag_seconds": 28,
			"ship_sent_bytes_total": 29, "ship_acked_bytes_total": 30, "ship_resumes_total": 31, "ship_divergences_total": 32,
			`receive_copies{state="open"}`: 33, `receive_copies{state="sealed"}`: 34, "receive_bytes": 35, "receive_senders": 36,
			"receive_written_bytes_total": 37, "receive_late_frames_total": 38, "receive_busy_total": 39, "receive_fenced_total": 40,
			"receive_pruned_bytes_total": 41, "receive_damaged_total": 42, "verify_mismatches_total": 43,
			"ship_plain_lag_bytes": 44, "ship_plain_sent_bytes_total": 45, "receive_plain_senders": 46, "receive_plain_files": 47,
			"receive_plain_written_bytes_total": 48, "receive_plain_sync_errors_total": 49, `receive_plain_refused_total{reason="bad-name"}`: 50,
			"mirror_received_bytes_total": 24, "mirror_connects_total": 25,
		},
	}
}

// exposition is what the metrics of a report alone look like.
func exposition(t *testing.T, r processReport, sources int) (body string, code int) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(newReportCollector(func() processReport { return r }, sources,
		version{Version: "v1.2.3", Revision: "0123abc", Go: "go1.26.5"}))
	w := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String(), w.Code
}

// TestMetricsGolden compares what is published with testdata/metrics.txt, which
// FAIRLEAD_UPDATE_SCRIPTS=1 writes anew.
func TestMetricsGolden(t *testing.T) {
	const file = "testdata/metrics.txt"
	got, code := exposition(t, oneOfEach(), 2)
	if code != http.StatusOK {
		t.Fatalf("metrics of a report: %d, %s", code, got)
	}
	if os.Getenv("FAIRLEAD_UPDATE_SCRIPTS") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("metrics of a report:\n%s\nwant, as %s:\n%s", got, file, want)
	}
}

// Every metric of the table has a value in oneOfEach, so that the golden file
// shows all names there are.
func TestMetricsGoldenHasAll(t *testing.T) {
	got, _ := exposition(t, oneOfEach(), 1)
	for _, m := range metrics {
		if !strings.Contains(got, "# HELP fairlead_"+m.name+" ") {
			t.Errorf("%s is in the table of metrics and not in the report of the test", m.name)
		}
		if counts := strings.HasSuffix(m.name, "_total"); counts != (m.kind == counter) {
			t.Errorf("%s: ends in _total: %v, is a counter: %v", m.name, counts, m.kind == counter)
		}
	}
}

// What the handler answers is read by the format's own parser, and every name
// has its prefix, a type and words.
func TestMetricsParse(t *testing.T) {
	server := httptest.NewServer(metricsHandler(oneOfEach, 10))
	defer server.Close()
	families, header := scrape(t, server.URL)
	if header.Get("Content-Encoding") != "" {
		t.Errorf("Content-Encoding %q, want none", header.Get("Content-Encoding"))
	}
	for name, f := range families {
		ours := strings.HasPrefix(name, "fairlead_")
		if !ours && !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") && !strings.HasPrefix(name, "promhttp_") {
			t.Errorf("%s has no prefix that we know", name)
		}
		if f.GetHelp() == "" {
			t.Errorf("%s has no help", name)
		}
	}
	if n := len(families["fairlead_source_size_bytes"].GetMetric()); n != 3 {
		t.Errorf("%d sources, want 3", n)
	}
	if v := families["fairlead_serve_sent_bytes_total"].GetMetric()[0].GetCounter().GetValue(); v != 1<<50 {
		t.Errorf("serve_sent_bytes_total = %v, want %v", v, 1<<50)
	}
	for _, name := range []string{"go_goroutines", "process_open_fds", "fairlead_build_info"} {
		if families[name] == nil && (name != "process_open_fds" || onLinux()) {
			t.Errorf("%s is missing", name)
		}
	}
	for _, m := range families["promhttp_metric_handler_errors_total"].GetMetric() {
		if m.GetCounter().GetValue() != 0 {
			t.Errorf("errors of the handler: %v, want none", m)
		}
	}
}

func onLinux() bool { _, err := os.Stat("/proc/self/fd"); return err == nil }

// parsed are metrics by name.
type parsed = map[string]*dto.MetricFamily

func scrape(t *testing.T, url string) (parsed, http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept-Encoding", "gzip")
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(response.Body)
		t.Fatalf("GET %s: %s, %s", url, response.Status, b)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		t.Fatalf("GET %s cannot be parsed: %v", url, err)
	}
	return families, response.Header
}

// Sources have names only if that is asked for, and no more than were asked for.
func TestMetricsSources(t *testing.T) {
	r := oneOfEach()
	r.Sources = append(r.Sources, r.Sources...) // a name twice is shown once
	for _, tt := range []struct{ sources, want int }{{-1, 0}, {0, 0}, {1, 1}, {2, 2}, {3, 3}, {100, 3}} {
		got, code := exposition(t, r, tt.sources)
		if n := strings.Count(got, "\nfairlead_source_size_bytes{"); n != tt.want || code != http.StatusOK {
			t.Errorf("%d sources asked for: %d shown, status %d, want %d and 200", tt.sources, n, code, tt.want)
		}
	}
}

// A counter that the table does not know, or knows otherwise, is an error and is
// counted; the others are shown.
func TestMetricsUnknown(t *testing.T) {
	for _, key := range []string{"no_such_total", "spool_bytes{x=\"y\"}", "stream_clients", `stream_clients{port="1"}`,
		`stream_clients{proto="sse"`, `stream_clients{proto=sse}`, `stream_clients{proto}`, `stream_clients{proto="a"x}`, "{", ""} {
		r := oneOfEach()
		r.Counters = map[string]int64{key: 1, "sources": 3}
		if body, code := exposition(t, r, 0); code != http.StatusInternalServerError || !strings.Contains(body, "bug: ") {
			t.Errorf("counter %s: %d, %s, want 500 and the reason", key, code, body)
		}
		server := httptest.NewServer(metricsHandler(func() processReport { return r }, 0))
		scrape(t, server.URL)
		families, _ := scrape(t, server.URL)
		server.Close()
		failed := 0.0
		for _, m := range families["promhttp_metric_handler_errors_total"].GetMetric() {
			failed += m.GetCounter().GetValue()
		}
		if failed == 0 || families["fairlead_sources"] == nil {
			t.Errorf("counter %s: %v errors counted, sources %v, want both", key, failed, families["fairlead_sources"])
		}
	}
}

// Every counter that the program names, to write it or to read it, is in the
// table. So its name has to be a text in the index, or the format of one.
func TestMetricsTableIsWhole(t *testing.T) {
	known := make(map[string]metric)
	for _, m := range metrics {
		known[m.name] = m
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || file == "metrics.go" {
			continue
		}
		for place, key := range counterKeys(t, file) {
			seen++
			name, labels, _, err := splitKey(strings.NewReplacer("%q", `"x"`, "%s", `x`).Replace(key))
			if m, ok := known[name]; !ok || err != nil || len(labels) != len(m.labels) {
				t.Errorf("%s: the counter %q is not in the table of metrics.go (%v)", place, key, err)
			}
		}
	}
	if seen < 20 {
		t.Errorf("%d counters were found in the source, want them all: is their map called otherwise?", seen)
	}
}

// counterKeys returns what indexes a variable c or a field Counters, by place.
func counterKeys(t *testing.T, file string) map[string]string {
	t.Helper()
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	keys := make(map[string]string)
	ast.Inspect(tree, func(n ast.Node) bool {
		index, ok := n.(*ast.IndexExpr)
		if !ok || !isCounters(index.X) {
			return true
		}
		key := index.Index
		if call, ok := key.(*ast.CallExpr); ok && len(call.Args) > 0 {
			key = call.Args[0]
		}
		text, ok := key.(*ast.BasicLit)
		if !ok {
			t.Errorf("%s: the name of a counter is not written out, so nobody can look it up", fset.Position(n.Pos()))
			return true
		}
		name, err := strconv.Unquote(text.Value)
		if err != nil {
			t.Errorf("%s: %v", fset.Position(n.Pos()), err)
		}
		keys[fset.Position(n.Pos()).String()] = name
		return true
	})
	return keys
}

func isCounters(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name == "c"
	case *ast.SelectorExpr:
		return x.Sel.Name == "Counters"
	}
	return false
}

// Who asks while all places are taken is told so, and does not wait.
func TestMetricsInFlight(t *testing.T) {
	var inside, done sync.WaitGroup
	inside.Add(maxScrapes)
	release := make(chan struct{})
	handler := metricsHandler(func() processReport {
		inside.Done()
		<-release
		return processReport{}
	}, 0)
	ask := func() int {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		return w.Code
	}
	for range maxScrapes {
		done.Go(func() {
			if code := ask(); code != http.StatusOK {
				t.Errorf("a scrape within the limit: %d, want 200", code)
			}
		})
	}
	inside.Wait()
	if code := ask(); code != http.StatusServiceUnavailable {
		t.Errorf("scrape number %d: %d, want 503", maxScrapes+1, code)
	}
	close(release)
	done.Wait()
}

func TestLabelText(t *testing.T) {
	for in, want := range map[string]string{
		"/var/log/a.log": "/var/log/a.log", "größe": "größe", "": "", "a\xffb": `a\xffb`, "\xc3": `\xc3`,
		"\ufffd": "\ufffd", "\ufffd\xfe\ufffd": "\ufffd" + `\xfe` + "\ufffd",
	} {
		if got := labelText(in); got != want {
			t.Errorf("labelText(%q) = %q, want %q", in, got, want)
		}
	}
}
