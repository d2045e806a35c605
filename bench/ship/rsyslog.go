//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// rsyslogSender follows files and sends what they have, as it is. Its queue waits for room: as it
// comes it drops lines of a flood.
const rsyslogSender = `global(workDirectory=%[1]q)
main_queue(queue.timeoutEnqueue="60000")
module(load="imfile")
template(name="line" type="string" string="%%msg%%\n")
input(type="imfile" file=%[2]q tag="bench")
action(type="omfwd" target="127.0.0.1" port="%[3]d" protocol="tcp" template="line" action.resumeInterval="1" action.resumeRetryCount="-1")
`

// rsyslogReceiver writes what comes to one file, since a line does not say from where it is. That
// spares it a thousand files.
const rsyslogReceiver = `global(workDirectory=%[1]q)
main_queue(queue.timeoutEnqueue="60000")
module(load="imtcp")
template(name="line" type="string" string="%%rawmsg%%\n")
ruleset(name="copy") { action(type="omfile" file=%[2]q template="line") }
input(type="imtcp" address="127.0.0.1" port="%[3]d" ruleset="copy" supportOctetCountedFraming="off")
`

func rsyslogWay(path string) way {
	configured := func(t trip, name, text, file string) ([]string, error) {
		work, err := t.made(name)
		if err != nil {
			return nil, err
		}
		conf := filepath.Join(work, "conf")
		err = os.WriteFile(conf, fmt.Appendf(nil, text, work, file, t.port), 0o600)
		return []string{path, "-n", "-i", "NONE", "-f", conf}, err
	}
	copyOf := func(t trip, _ string) string { return filepath.Join(t.copies(), "all.log") }
	return way{
		name: rsyslog, follows: true, lines: true, finish: allThere, copyOf: copyOf,
		receive: func(_ context.Context, t trip) ([]string, error) {
			return configured(t, "receiver", rsyslogReceiver, copyOf(t, ""))
		},
		send: func(_ context.Context, t trip) ([]string, error) {
			return configured(t, "sender", rsyslogSender, filepath.Join(t.source, "*.log"))
		},
	}
}
