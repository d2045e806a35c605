package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func newStatus(c *common) *cobra.Command {
	var output, state string
	cmd := &cobra.Command{
		Use:   "status [-o json]",
		Short: "what runs here, its problems first, each with its cure",
		Example: `  fairlead status
  fairlead status -o json | jq '.[].sources[] | select(.state != "ok")'`,
		Long: `Every running fairlead of this user, and the service, is asked over its local
socket.

Exit codes: 0 all are ready (there may be problems), 1 one is not ready or does
not answer, 3 none is running.`,
		Args: wants(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			asJSON, err := wantsJSON(output)
			if err != nil {
				return err
			}
			if err := c.check(); err != nil {
				return err
			}
			return status(cmd.Context(), stdout(false), state, asJSON)
		},
	}
	outputFlag(cmd.Flags(), &output)
	cmd.Flags().StringVar(&state, "state", "", "also ask processes whose state is in `DIR`")
	return cmd
}

func status(ctx context.Context, out *output, state string, asJSON bool) error {
	reports := []processReport{}
	for _, a := range askAll[processReport](ctx, state, "/status") {
		if a.err != nil {
			a.value = processReport{Command: a.from(), Problems: []problem{
				{a.err.Error(), "look at its log; QUIT makes it print what it is doing"}}}
		}
		reports = append(reports, a.value)
	}
	var err error
	if asJSON {
		err = printJSON(out, reports)
	} else {
		printReports(out, reports)
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	if len(reports) == 0 {
		return exitf(exitNotFound, "no fairlead of this user is running, and no service; start one with `fairlead serve FILE`")
	}
	for _, r := range reports {
		if !r.Ready {
			return &exitError{code: exitFailed}
		}
	}
	return nil
}

// printReports prints the problems of all, then each.
func printReports(w io.Writer, reports []processReport) {
	for _, r := range reports {
		for _, p := range r.Problems {
			fmt.Fprintf(w, "PROBLEM %s: %s\n", r.title(), p.What)
			if p.Cure != "" {
				fmt.Fprintf(w, "        cure: %s\n", p.Cure)
			}
		}
	}
	for _, r := range reports {
		if r.PID != 0 {
			r.print(w)
		}
	}
}

func (r processReport) title() string {
	s := r.Command
	if r.Name != "" {
		s += " " + r.Name
	}
	if r.PID != 0 {
		s += fmt.Sprintf(" (pid %d)", r.PID)
	}
	return s
}

func (r processReport) print(w io.Writer) {
	facts := []string{"ready", "up " + (time.Duration(r.Uptime) * time.Second).String(), count(int64(len(r.Sources)), "file")}
	if !r.Ready {
		facts[0] = "NOT READY"
	}
	clients, serves := r.Counters["serve_clients"]
	if serves {
		facts = append(facts, count(clients, "client"), bytesText(r.Counters["serve_sent_bytes_total"])+" sent")
	}
	of := "client"
	if serves {
		of = "stream"
	}
	if sse, streams := r.Counters[`stream_clients{proto="sse"}`]; streams {
		facts = append(facts, count(sse+r.Counters[`stream_clients{proto="tcp"}`], of),
			count(r.Counters[`stream_gaps_total{proto="sse"}`]+r.Counters[`stream_gaps_total{proto="tcp"}`], "gap"))
	}
	if n, mirrors := r.Counters["mirror_received_bytes_total"]; mirrors {
		facts = append(facts, bytesText(n)+" received")
	}
	if in := r.PlainIn; in != nil && in.Files > 0 {
		facts = append(facts, count(in.Files, "file")+" that came in the clear")
	}
	fmt.Fprintf(w, "%s: %s\n", r.title(), strings.Join(facts, ", "))
	for _, l := range r.Listeners {
		secure := ""
		if l.TLS {
			secure = " (TLS)"
		}
		fmt.Fprintf(w, "  %-5s %s%s\n", l.Room, l.Address, secure)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, s := range r.Sources {
		if i == maxListed {
			fmt.Fprintf(table, "  and %d more: -o json lists them\n", len(r.Sources)-i)
			break
		}
		fmt.Fprintf(table, "  %s\t%s\t%s", s.Name, s.State, bytesText(s.Size))
		if serves {
			fmt.Fprintf(table, "\t%s", count(s.Clients, "client"))
		}
		if s.Generation != "" {
			fmt.Fprintf(table, "\t%.8s", s.Generation)
		}
		fmt.Fprintln(table)
	}
	table.Flush()
}

func count(n int64, of string) string {
	if n != 1 {
		of += "s"
	}
	return fmt.Sprintf("%d %s", n, of)
}

// bytesText is a number of bytes for people.
func bytesText(n int64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n)/1000, 0
	for f >= 999.5 && unit < len(units)-1 {
		f, unit = f/1000, unit+1
	}
	return fmt.Sprintf("%.3g %cB", f, units[unit])
}
