//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"fairlead/bench/measure"
)

// The names of the peers, as they stand in the tables.
const (
	encodeOnce = "encode once"
	bulkC      = "C sendfile"
	rsyslog    = "rsyslog"
)

// spoolBudget is more than any trial writes: no client is ever too slow for it.
const spoolBudget = 8 << 30

// findPeers builds or finds each peer, and returns a line for each that cannot be had.
func (b *bench) findPeers(ctx context.Context, r measure.Run) (leftOut []string) {
	leave := func(name string, err error) {
		leftOut = append(leftOut, fmt.Sprintf("%s is left out: %v", name, err))
		measure.Progress("%s", leftOut[len(leftOut)-1])
	}
	if path, err := measure.BuildFairlead(ctx, r.Root, r.Dir); err != nil {
		leave(measure.Fairlead, err)
	} else {
		b.tcp = append(b.tcp, fairlead(path, "--enable-http=false", "--enable-tcp", "--tcp-port"))
		b.sse = append(b.sse, fairlead(path, "--http-port"))
	}
	if self, err := os.Executable(); err != nil {
		leave(encodeOnce, err)
	} else {
		b.tcp = append(b.tcp, reference(self, "tcp"))
		b.sse = append(b.sse, reference(self, "sse"))
	}
	if path, err := measure.Compile(ctx, r.Dir, "sendfile", measure.SendfileSource); err != nil {
		leave(bulkC, err)
	} else {
		b.tcp = append(b.tcp, measure.Peer{Name: bulkC, Argv: func(port int, file string) []string {
			return []string{path, strconv.Itoa(port), file}
		}})
	}
	if path, err := measure.FindRsyslog(); err != nil {
		leave(rsyslog, err)
	} else {
		b.tcp = append(b.tcp, measure.Peer{Name: rsyslog, Dials: true, Argv: func(port int, file string) []string {
			return []string{path, "-n", "-i", "NONE", "-f", configureRsyslog(b.dir, port, file)}
		}})
	}
	return leftOut
}

// fairlead is the logwisp command with these arguments, of which the last is given the port.
func fairlead(path string, args ...string) measure.Peer {
	return measure.Peer{
		Name: measure.Fairlead,
		Env:  []string{"FAIRLEAD_STANDIN_QUIET=1", fmt.Sprintf("FAIRLEAD_STREAM_BUDGET=%d", int64(spoolBudget))},
		Argv: func(port int, file string) []string {
			return append(append([]string{path, "logwisp"}, args...), strconv.Itoa(port), file+"::true")
		},
	}
}

func reference(self, outlet string) measure.Peer {
	return measure.Peer{Name: encodeOnce, Argv: func(port int, file string) []string {
		return []string{self, "reference", outlet, strconv.Itoa(port), file}
	}}
}

// rsyslogConfig follows a file and sends what is appended to one client, as the same JSON lines. Its
// queue waits for room: as it comes it drops lines of a flood.
const rsyslogConfig = `global(workDirectory=%[1]q)
main_queue(queue.timeoutEnqueue="60000")
module(load="imfile")
template(name="entry" type="list") {
  constant(value="{\"time\":\"") property(name="timegenerated" dateFormat="rfc3339")
  constant(value="\",\"source\":\"") property(name="$!metadata!filename" format="json")
  constant(value="\",\"message\":\"") property(name="msg" format="json")
  constant(value="\"}\n")
}
input(type="imfile" file=%[2]q tag="bench")
action(type="omfwd" target="127.0.0.1" port="%[3]d" protocol="tcp" template="entry" action.resumeInterval="1" action.resumeRetryCount="-1")
`

// configureRsyslog returns the path of its configuration. If it cannot be written, rsyslog says
// that there is none, and the trial fails.
func configureRsyslog(dir string, port int, file string) string {
	work := filepath.Join(dir, fmt.Sprintf("rsyslog-%d", port))
	os.Mkdir(work, 0o700)
	path := filepath.Join(work, "conf")
	os.WriteFile(path, fmt.Appendf(nil, rsyslogConfig, work, file, port), 0o600)
	return path
}
