package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"fairlead/replica"
)

// maxScrapes is how many may ask for the metrics at a time; more get 503. Two
// servers that scrape us and a person who looks are three.
const maxScrapes = 3

const (
	gauge   = prometheus.GaugeValue
	counter = prometheus.CounterValue
	// histogram is for the table alone: such a metric is made by its own.
	histogram = prometheus.UntypedValue
)

// A metric is one name of /metrics, without the prefix.
type metric struct {
	name   string
	kind   prometheus.ValueType
	labels []string
	help   string
}

// metrics is every number we publish. The names are part of the interface: a
// change has its line in CHANGELOG.md.
var metrics = []metric{
	{"build_info", gauge, []string{"version", "revision", "goversion"}, "Which build this is; always 1."},
	{"ready", gauge, nil, "1 if the process is ready, as fairlead status says, otherwise 0."},
	{"uptime_seconds", gauge, nil, "Seconds since the start of the process."},

	{"sources", gauge, nil, "Logs that are watched."},
	{"sources_parked", gauge, nil, "Files left alone because they were rewritten in place three times in ten minutes."},
	{"source_generations_total", counter, []string{"reason"}, "Ends of generations."},
	{"source_late_bytes_total", counter, nil, "Bytes written to a renamed generation after the next one had begun."},
	{"source_size_bytes", gauge, []string{"source"}, "Size of the current generation."},
	{"source_offset_bytes", gauge, []string{"source"}, "Bytes of the current generation that entries were made of."},
	{"lost_bytes_total", counter, []string{"room", "reason"}, "Bytes that were gone before they could be read; each range has a marker in the data."},
	{"watch_fallback", gauge, nil, "Directories that are polled because they cannot be watched."},
	{"watch_overflows_total", counter, nil, "Times that the kernel's queue of events overflowed."},
	{"pinned_bytes", gauge, nil, "Bytes of deleted files that are kept for readers that are behind."},
	{"open_descriptors", gauge, nil, "Descriptors held on logs."},

	{"serve_clients", gauge, nil, "Clients of raw bytes."},
	{"serve_sent_bytes_total", counter, nil, "Raw bytes sent."},
	{"serve_resets_total", counter, []string{"reason"}, "Connections and responses of raw bytes that we ended."},

	{"stream_entries_total", counter, []string{"level"}, "Entries made of lines."},
	{"stream_clients", gauge, []string{"proto"}, "Clients of entries."},
	{"stream_sent_bytes_total", counter, []string{"proto"}, "Bytes of entries sent."},
	{"stream_gaps_total", counter, []string{"proto"}, "Times that a client was told that entries are missing."},
	{"stream_gap_bytes_total", counter, []string{"proto"}, "Bytes of entries that clients were told are missing."},
	{"stream_behind_bytes", gauge, []string{"proto"}, "How far the slowest client is behind."},
	{"spool_bytes", gauge, nil, "Bytes of entries that are kept."},
	{"spool_oldest_offset", gauge, nil, "The position of the oldest entry that is kept."},
	{"spool_pinned_bytes", gauge, nil, "Bytes of entries beyond the budget that readers still hold."},

	{"ship_channels", gauge, []string{"state"}, "Generations that are sent, once for each receiver."},
	{"ship_lag_bytes", gauge, nil, "Bytes that a receiver has not acknowledged, of the generation with the most."},
	{"ship_lag_seconds", gauge, nil, "For how long a receiver has not acknowledged all of a generation, at most."},
	{"ship_sent_bytes_total", counter, nil, "Bytes sent to receivers, as on the wire."},
	{"ship_acked_bytes_total", counter, nil, "Bytes that have become durable at receivers."},
	{"ship_resumes_total", counter, nil, "Times that a generation went on where its copy ended."},
	{"ship_divergences_total", counter, nil, "Copies that are not what their source begins with; another was begun."},

	{"ship_plain_lag_bytes", gauge, nil, "Bytes that were not sent in the clear, to the receiver that misses most."},
	{"ship_plain_sent_bytes_total", counter, nil, "Bytes sent in the clear."},

	{"receive_copies", gauge, []string{"state"}, "Copies in the store."},
	{"receive_bytes", gauge, nil, "Bytes of the copies that are there."},
	{"receive_senders", gauge, nil, "Connections of senders."},
	{"receive_written_bytes_total", counter, nil, "Bytes taken from senders."},
	{"receive_late_frames_total", counter, nil, "Pieces passed over because they were there already."},
	{"receive_busy_total", counter, nil, "Times that a copy could not be taken for want of room."},
	{"receive_fenced_total", counter, nil, "Connections of senders that a newer one ended."},
	{"receive_pruned_bytes_total", counter, nil, "Bytes of ended generations removed to keep within keep and keep_bytes."},
	{"receive_damaged_total", counter, nil, "Copies that were not as the journal says."},
	{"receive_commit_seconds", histogram, nil, "Seconds from the beginning of a commit until what was written is durable."},
	{"receive_plain_senders", gauge, nil, "Connections of those who send in the clear."},
	{"receive_plain_files", gauge, nil, "Files that came in the clear."},
	{"receive_plain_written_bytes_total", counter, nil, "Bytes that came in the clear."},
	{"receive_plain_sync_errors_total", counter, nil, "Times that what came in the clear could not be made durable."},
	{"receive_plain_refused_total", counter, []string{"reason"}, "Connections in the clear that were turned away, or ended for want of room."},

	{"verify_mismatches_total", counter, nil, "MiB that fairlead verify found to differ, asked of this process."},

	{"mirror_received_bytes_total", counter, nil, "Bytes received from the server."},
	{"mirror_connects_total", counter, nil, "Connections made to the server."},
}

// metricsHandler answers GET /metrics with the numbers of report, and at most
// that many sources by name: a label for each of 20,000 files costs whoever
// stores it dearly, so without being asked there is none.
func metricsHandler(report func() processReport, sources int) http.Handler {
	all := prometheus.NewRegistry() // never the default one, in which any package may put anything
	all.MustRegister(
		newReportCollector(report, sources, buildVersion()),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return promhttp.HandlerFor(all, promhttp.HandlerOpts{
		Registry:            all, // a number that cannot be shown is counted, the others are shown
		ErrorHandling:       promhttp.ContinueOnError,
		DisableCompression:  true,
		MaxRequestsInFlight: maxScrapes,
	})
}

// A reportCollector turns the report of the moment into metrics.
type reportCollector struct {
	report  func() processReport
	sources int
	build   version
	known   map[string]described
}

type described struct {
	metric
	desc *prometheus.Desc
}

func newReportCollector(report func() processReport, sources int, build version) *reportCollector {
	c := &reportCollector{report, sources, build, make(map[string]described)}
	for _, m := range metrics {
		c.known[m.name] = described{m, prometheus.NewDesc("fairlead_"+m.name, m.help, m.labels, nil)}
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *reportCollector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range c.known {
		out <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *reportCollector) Collect(out chan<- prometheus.Metric) {
	r := c.report()
	out <- c.metric("build_info", 1, c.build.Version, c.build.Revision, c.build.Go)
	ready := 0.0
	if r.Ready {
		ready = 1
	}
	out <- c.metric("ready", ready)
	out <- c.metric("uptime_seconds", r.Uptime)
	for key, n := range r.Counters {
		out <- c.counter(key, n)
	}
	if r.Receive != nil {
		out <- c.commits(r.Receive.Commits)
	}
	named := make(map[string]bool)
	for _, s := range r.Sources {
		name := labelText(s.Name)
		if len(named) >= c.sources {
			break
		}
		if named[name] {
			continue
		}
		named[name] = true
		out <- c.metric("source_size_bytes", float64(s.Size), name)
		if s.Read != nil {
			out <- c.metric("source_offset_bytes", float64(*s.Read), name)
		}
	}
}

// counter is one number of the report under its key, NAME{LABEL="VALUE",...}.
func (c *reportCollector) counter(key string, n int64) prometheus.Metric {
	name, labels, values, err := splitKey(key)
	if err != nil {
		return prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(err), err)
	}
	if m, ok := c.known[name]; ok && !slices.Equal(labels, m.labels) {
		err := fmt.Errorf("bug: the counter %s has the labels %q, its metric %q", key, labels, m.labels)
		return prometheus.NewInvalidMetric(m.desc, err)
	}
	return c.metric(name, float64(n), values...)
}

func (c *reportCollector) metric(name string, value float64, labels ...string) prometheus.Metric {
	m, ok := c.known[name]
	if !ok {
		err := fmt.Errorf("bug: the counter %s is not in the table of metrics", name)
		return prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(err), err)
	}
	made, err := prometheus.NewConstMetric(m.desc, m.kind, value, labels...)
	if err != nil {
		return prometheus.NewInvalidMetric(m.desc, err)
	}
	return made
}

// commits is the histogram of a store's commits.
func (c *reportCollector) commits(r commitsReport) prometheus.Metric {
	m := c.known["receive_commit_seconds"]
	buckets := make(map[float64]uint64)
	upTo := uint64(0)
	for i, bound := range replica.CommitBounds {
		if i < len(r.Times) {
			upTo += uint64(r.Times[i])
		}
		buckets[bound] = upTo
	}
	made, err := prometheus.NewConstHistogram(m.desc, uint64(r.Count), r.Seconds, buckets)
	if err != nil {
		return prometheus.NewInvalidMetric(m.desc, err)
	}
	return made
}

// splitKey takes the key of a counter apart.
func splitKey(key string) (name string, labels, values []string, err error) {
	name, rest, labelled := strings.Cut(key, "{")
	if !labelled {
		return name, nil, nil, nil
	}
	for rest != "}" {
		label, text, ok := strings.Cut(rest, "=")
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil || !ok {
			return "", nil, nil, fmt.Errorf("bug: the counter %s is not NAME{LABEL=\"VALUE\",...}", key)
		}
		value, err := strconv.Unquote(quoted)
		if err != nil {
			return "", nil, nil, fmt.Errorf("bug: a label of the counter %s: %w", key, err)
		}
		labels, values = append(labels, label), append(values, labelText(value))
		rest = text[len(quoted):]
		if next, more := strings.CutPrefix(rest, ","); more {
			rest = next
		} else if rest != "}" {
			return "", nil, nil, fmt.Errorf("bug: the counter %s does not end with }", key)
		}
	}
	return name, labels, values, nil
}

// labelText makes of a name what the format can hold, which is UTF-8: in a name
// that is not, every byte that is none is written \xff.
func labelText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		if raw := s[i]; r == utf8.RuneError && !strings.HasPrefix(s[i:], "\ufffd") {
			fmt.Fprintf(&b, `\x%02x`, raw)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
