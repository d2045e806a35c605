//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"fairlead/bench/measure"
)

const cpuPerGB measure.Figure = "both ends' CPU s/GB"

// A place is a file system that has files and their copies.
type place struct{ name, dir string }

const (
	onDisk = "disk"
	onTmp  = "tmpfs"

	// memory is where a tmpfs is, on every Linux.
	memory = "/dev/shm"
)

// findPlaces says what the directory of the run is, and whether a tmpfs has room. It returns a line
// for each that cannot be had.
func (b *bench) findPlaces() (leftOut []string) {
	var fs unix.Statfs_t
	if err := unix.Statfs(b.dir, &fs); err == nil && fs.Type == unix.TMPFS_MAGIC {
		b.places = []place{{onTmp, b.dir}}
		return []string{"-dir is on a tmpfs: nothing is measured on a disk, and what is durable costs nothing"}
	}
	b.places = []place{{onDisk, b.dir}}
	need := 3 * b.one.bytes()
	if err := unix.Statfs(memory, &fs); err != nil || fs.Type != unix.TMPFS_MAGIC || int64(fs.Bavail)*int64(fs.Bsize) < need {
		return []string{fmt.Sprintf("the tmpfs is left out: %s has no room for %s", memory, measure.Size(need))}
	}
	b.places = append(b.places, place{onTmp, memory})
	return nil
}

// measureBulk ships files that are there.
func measureBulk(ctx context.Context, b bench) ([]measure.Table, error) {
	t := measure.Table{
		Title: "Bulk: files that are there",
		Note: "From an empty destination, on the disk of -dir and on a tmpfs. The source is in the page cache. The time is from " +
			"the start of the sender until it ends, with all of it durable (`ship --once` looks every 100 ms whether it is, and Fairlead, plain, " +
			"asks the receiver for a length that is durable); of " +
			"socat until both ends have ended, once without and once with an fsync by us; of rsyslog until the last byte is in the " +
			"file, durable or not. CPU is user and system of all processes of both ends, from start to end. The limit is what both " +
			"ends must do with each byte, on all cores, without a connection (limit.go), and disk alone is writing it; both end with " +
			"an fdatasync. Where the limit is far below that on the tmpfs, the disk is the limit. Copies are compared byte by byte; " +
			"of rsyslog's lines are counted.",
		Columns: []measure.Column{
			measure.Megabytes.To(0), cpuPerGB.To(2), measure.Lost.To(0), measure.Doubled.To(0), measure.Reordered.To(0), measure.Torn.To(0),
		},
	}
	for _, at := range b.places {
		for _, h := range []haul{b.one, b.many} {
			r, err := b.bulkCase(ctx, at, h)
			if err != nil {
				return nil, err
			}
			t.Results = append(t.Results, r)
			t.Claims = append(t.Claims, bulkClaims(r, h)...)
		}
	}
	return []measure.Table{t}, nil
}

func bulkClaims(r measure.Result, h haul) []measure.Claim {
	claims := []measure.Claim{
		r.Total(measure.AtMost(0), measure.Lost, measure.Doubled, measure.Reordered, measure.Torn),
		r.Ratio(measure.Megabytes, rsync, measure.AtLeast(1)), r.Ratio(measure.Megabytes, rsyslog, measure.AtLeast(1)),
		r.Ratio(cpuPerGB, rsync, measure.NoTarget),
	}
	if h.files > 1 {
		return claims
	}
	return append(claims, r.Ratio(measure.Megabytes, theLimit, measure.AtLeast(0.7)), r.Ratio(cpuPerGB, theLimit, measure.NoTarget),
		r.Ratio(measure.Megabytes, socatSync, measure.NoTarget), r.Ratio(cpuPerGB, socatSync, measure.NoTarget),
		r.RatioOf(fairleadPlain, measure.Megabytes, socat, measure.AtLeast(0.8)), r.RatioOf(fairleadPlain, cpuPerGB, socat, measure.AtMost(1.2)),
		r.RatioOf(fairleadPlain, measure.Megabytes, socatSync, measure.AtLeast(0.8)), r.RatioOf(fairleadPlain, cpuPerGB, socatSync, measure.AtMost(1.2)))
}

// bulkCase lets all ships the same files, in turns.
func (b bench) bulkCase(ctx context.Context, at place, h haul) (measure.Result, error) {
	dir, err := os.MkdirTemp(at.dir, "bench-ship-")
	if err != nil {
		return measure.Result{}, fmt.Errorf("make directory: %w", err)
	}
	defer os.RemoveAll(dir)
	source := filepath.Join(dir, "source")
	if err := h.write(source); err != nil {
		return measure.Result{}, err
	}
	peers := b.peers(func(w way) bool { return h.files == 1 || !w.single })
	if h.files == 1 {
		peers = append(peers, measure.Peer{Name: theLimit}, measure.Peer{Name: diskAlone})
	}
	return measure.InTurns(ctx, h.name()+", "+at.name, peers, b.turns, func(p measure.Peer) (measure.Sample, error) {
		work, err := os.MkdirTemp(dir, "trial-")
		if err != nil {
			return nil, fmt.Errorf("make directory: %w", err)
		}
		defer os.RemoveAll(work)
		if err := h.warm(source); err != nil {
			return nil, err
		}
		if err := measure.SyncAll(dir); err != nil {
			return nil, err
		}
		if w, ok := b.find(p.Name); ok {
			return h.ship(ctx, w, trip{source: source, work: work, once: true, size: h.bytes()})
		}
		role := map[string]string{theLimit: "limit", diskAlone: "disk"}[p.Name]
		return h.alone(ctx, role, aloneJob{filepath.Join(source, fileName(0)), filepath.Join(work, "copy")})
	})
}

// ship brings the files to the other end, and looks at what has come.
func (h haul) ship(ctx context.Context, w way, t trip) (measure.Sample, error) {
	l, err := w.start(ctx, t)
	if err != nil {
		return nil, err
	}
	defer l.stop()
	done, err := w.finish(ctx, l)
	if err != nil {
		return nil, err
	}
	cpu, err := l.used()
	if err != nil {
		return nil, err
	}
	sample, err := h.arrived(l)
	if err != nil {
		return nil, err
	}
	h.rate(sample, done.Sub(l.sender.Began), cpu)
	return sample, nil
}

// arrived says what became of the lines.
func (h haul) arrived(l *link) (measure.Sample, error) {
	if l.lines {
		return h.count(l.copyOf(l.trip, ""))
	}
	sample := measure.Sample{measure.Lost: 0, measure.Doubled: 0, measure.Reordered: 0, measure.Torn: 0}
	return sample, h.same(l.source, func(file string) string { return l.copyOf(l.trip, file) })
}

// rate adds how fast that came which was not lost.
func (h haul) rate(s measure.Sample, took, cpu time.Duration) {
	gigabytes := (float64(h.bytes()) - s[measure.Lost]*lineLen) / 1e9
	s[measure.Megabytes] = gigabytes * 1000 / took.Seconds()
	s[cpuPerGB] = cpu.Seconds() / gigabytes
}

// alone runs what needs no other end.
func (h haul) alone(ctx context.Context, role string, job aloneJob) (measure.Sample, error) {
	worker, err := measure.StartHelper(ctx, role, job)
	if err != nil {
		return nil, err
	}
	defer worker.Stop()
	var did aloneResult
	if err := worker.Result(&did); err != nil {
		return nil, err
	}
	sample := measure.Sample{}
	h.rate(sample, did.Took, did.CPU)
	return sample, sameBytes(job.Source, job.Copy)
}
