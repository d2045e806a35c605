//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"fairlead/bench/measure"
	"fairlead/logfile"
	"fairlead/stream"
)

const (
	linesPerSec measure.Figure = "lines/s"
	ofText      measure.Figure = "MB/s of text"

	standardLib = "encoding/json"
	copying     = "memory copy"

	parseBlock = 256 << 10 // what is read of a log at a time
)

// kinds are the lines that are parsed, each with its target.
var kinds = []struct {
	name     string
	line     func(*rand.Rand, time.Time) []byte
	standard bool // encoding/json can do it too
	target   measure.Target
}{
	{"plain", plainLine, false, measure.AtLeast(1_000_000)},
	{"JSON", jsonLine, true, measure.AtLeast(600_000)},
	{"nginx combined", nginxLine, false, measure.NoTarget},
}

// measureParse turns lines into entries on one core.
func measureParse(ctx context.Context, b bench) ([]measure.Table, error) {
	t := measure.Table{
		Title: "Parsing and encoding on one core",
		Note: fmt.Sprintf("Lines of about 200 bytes in blocks of %d KiB, GOMAXPROCS=1, for %v. Fairlead's is stream.Lines.Add; "+
			"encoding/json decodes a line into a struct and encodes another; copying them, within the cache, is the limit.",
			parseBlock>>10, b.parseTime),
		Columns: []measure.Column{linesPerSec.To(0), ofText.To(0)},
	}
	for i, k := range kinds {
		peers := []measure.Peer{{Name: measure.Fairlead}, {Name: copying}}
		if k.standard {
			peers = append(peers, measure.Peer{Name: standardLib})
		}
		r, err := measure.InTurns(ctx, k.name+" lines", peers, b.turns, func(p measure.Peer) (measure.Sample, error) {
			return parse(ctx, parseJob{i, p.Name, b.parseTime})
		})
		if err != nil {
			return nil, err
		}
		t.Results = append(t.Results, r)
		t.Claims = append(t.Claims, r.Value(linesPerSec, k.target))
		if k.standard {
			t.Claims = append(t.Claims, r.Ratio(linesPerSec, standardLib, measure.NoTarget))
		}
		t.Claims = append(t.Claims, r.Ratio(linesPerSec, copying, measure.NoTarget))
	}
	return []measure.Table{t}, nil
}

// parseJob is for the process that has one core: how long who parses which kind.
type parseJob struct {
	Kind int
	Who  string
	Time time.Duration
}

type parsed struct {
	Lines, Bytes int64
	Took         time.Duration
}

func parse(ctx context.Context, job parseJob) (measure.Sample, error) {
	h, err := measure.StartHelper(ctx, "parser", job)
	if err != nil {
		return nil, err
	}
	defer h.Stop()
	var got parsed
	if err := h.Result(&got); err != nil {
		return nil, err
	}
	return measure.Sample{
		linesPerSec: float64(got.Lines) / got.Took.Seconds(),
		ofText:      float64(got.Bytes) / 1e6 / got.Took.Seconds(),
	}, nil
}

// parser is the role of parsing.
func parser(in *json.Decoder, out *json.Encoder) error {
	var job parseJob
	if err := in.Decode(&job); err != nil {
		return fmt.Errorf("read job: %w", err)
	}
	runtime.GOMAXPROCS(1)
	block := makeBlock(job.Kind)
	var dst []byte
	var span logfile.Span
	span.Gen = logfile.GenID{1}
	lines := stream.Lines{Source: "/var/log/app.log"}
	work := map[string]func(){
		measure.Fairlead: func() {
			dst = lines.Add(dst[:0], span, block)
			span.Off += int64(len(block))
		},
		copying:     func() { dst = append(dst[:0], block...) },
		standardLib: func() { dst = standardEntries(dst[:0], block) },
	}[job.Who]
	work() // what is allocated once
	if job.Who != copying {
		if got, want := bytes.Count(dst, []byte{'\n'}), bytes.Count(block, []byte{'\n'}); got != want {
			return fmt.Errorf("%d lines became %d entries", want, got)
		}
	}
	perBlock, rounds, began := int64(bytes.Count(block, []byte{'\n'})), int64(0), time.Now()
	for ; time.Since(began) < job.Time; rounds++ {
		work()
	}
	return out.Encode(parsed{Lines: rounds * perBlock, Bytes: rounds * int64(len(block)), Took: time.Since(began)})
}

// makeBlock makes whole lines of one kind, the same in every process.
func makeBlock(kind int) []byte {
	rng := rand.New(rand.NewPCG(7, uint64(kind)))
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	var block []byte
	for len(block) < parseBlock-300 {
		at = at.Add(time.Duration(rng.IntN(5_000_000)))
		block = append(append(block, kinds[kind].line(rng, at)...), '\n')
	}
	return block
}

func pick(rng *rand.Rand, words ...string) string { return words[rng.IntN(len(words))] }

func plainLine(rng *rand.Rand, at time.Time) []byte {
	return fmt.Appendf(nil, "%s %-5s [worker-%02d] com.example.orders.OrderService - order %08d of customer %06d "+
		"was %s in %5d ms after %d retries; the next one is due at %s, batch %016x",
		at.Format("2006-01-02 15:04:05.000"), pick(rng, "INFO", "INFO", "INFO", "DEBUG", "WARN", "ERROR"), rng.IntN(32),
		rng.IntN(1e8), rng.IntN(1e6), pick(rng, "accepted", "rejected", "delayed"), rng.IntN(1e5), rng.IntN(5),
		at.Add(time.Minute).Format("15:04:05"), rng.Uint64())
}

func jsonLine(rng *rand.Rand, at time.Time) []byte {
	return fmt.Appendf(nil, `{"level":%q,"ts":%.6f,"caller":"orders/service.go:%d","msg":"order %08d of customer %06d was %s `+
		`in %d ms; the batch is not full","request_id":"%016x-%04x"}`,
		pick(rng, "info", "info", "info", "debug", "warn", "error"), float64(at.UnixMicro())/1e6, rng.IntN(1000),
		rng.IntN(1e8), rng.IntN(1e6), pick(rng, "accepted", "rejected", "delayed"), rng.IntN(1e5), rng.Uint64(), rng.IntN(1<<16))
}

func nginxLine(rng *rand.Rand, at time.Time) []byte {
	return fmt.Appendf(nil, `203.0.113.%d - - [%s] "%s /api/v2/orders/%08d?page=%d HTTP/1.1" %s %d `+
		`"https://shop.example.com/cart" "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/%d.0"`,
		rng.IntN(256), at.Format("02/Jan/2006:15:04:05 -0700"), pick(rng, "GET", "GET", "POST", "PUT"), rng.IntN(1e8),
		rng.IntN(100), pick(rng, "200", "200", "304", "404", "500"), rng.IntN(1e5), 100+rng.IntN(45))
}

// standardEntries is what parsing and encoding cost with the standard library.
func standardEntries(dst, block []byte) []byte {
	type fields struct {
		Caller    string  `json:"caller"`
		RequestID string  `json:"request_id"`
		TS        float64 `json:"ts,omitempty"`
	}
	var off int
	for line := range bytes.Lines(block) {
		var in struct {
			Level string `json:"level"`
			Msg   string `json:"msg"`
			fields
		}
		if json.Unmarshal(line, &in) != nil {
			continue // the number of entries will tell
		}
		sec := int64(in.TS)
		out := struct {
			Time    time.Time `json:"time"`
			Source  string    `json:"source"`
			Level   string    `json:"level"`
			Message string    `json:"message"`
			Fields  fields    `json:"fields"`
			At      int       `json:"at"`
			Len     int       `json:"len"`
		}{time.Unix(sec, int64((in.TS-float64(sec))*1e9)).UTC(), "/var/log/app.log", in.Level, in.Msg, in.fields, off, len(line)}
		out.Fields.TS = 0
		text, err := json.Marshal(out)
		if err != nil {
			continue
		}
		dst = append(append(dst, text...), '\n')
		off += len(line)
	}
	return dst
}
