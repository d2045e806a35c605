package main

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A wire carries IP packets between two tunnel devices as badly as is asked for.
type wire struct {
	ends [2]*os.File

	mu    sync.Mutex // guards what follows
	dice  *rand.Rand
	to    [2]weather // towards each end
	flips int        // that were made
}

// A weather is what becomes of packets. The zero weather does nothing to them.
type weather struct {
	delay   time.Duration
	rate    int     // bits per second; 0: as fast as it goes
	loss    float64 // how many of all packets, 0 to 1
	double  float64
	reorder float64 // which are not delayed
	flip    float64 // which get one wrong bit in what TCP carries, and a checksum that fits
}

// queued is how many packets wait for their time; what comes then is dropped.
const queued = 500

// A parcel is a packet on its way.
type parcel struct {
	at time.Time
	b  []byte
}

// newTun makes a tunnel device in the network of this thread.
func newTun(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// run carries packets until the test ends.
func (w *wire) run(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("# the wire's seed is %d", seed)
	w.dice = rand.New(rand.NewPCG(seed, 0))
	var wg sync.WaitGroup
	for to := range w.ends {
		way := make(chan parcel, queued)
		wg.Go(func() { w.take(to, way) })
		wg.Go(func() { w.deliver(to, way) })
	}
	t.Cleanup(func() {
		w.ends[0].Close()
		w.ends[1].Close()
		wg.Wait()
	})
}

// is sets the weather towards both ends.
func (w *wire) is(now weather) { w.set(now, now) }

func (w *wire) set(to0, to1 weather) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to = [2]weather{to0, to1}
}

func (w *wire) flipped() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flips
}

// take reads what one end sends, and decides.
func (w *wire) take(to int, way chan<- parcel) {
	defer close(way)
	free := time.Now() // when the line is
	for {
		b := make([]byte, 2048)
		n, err := w.ends[1-to].Read(b)
		if err != nil {
			return
		}
		copies, now, late := w.decide(to, b[:n])
		for range copies {
			if late.rate > 0 {
				free = maxTime(free, time.Now()).Add(time.Duration(n*8) * time.Second / time.Duration(late.rate))
			} else {
				free = time.Now()
			}
			if now {
				w.ends[to].Write(b[:n])
				continue
			}
			select {
			case way <- parcel{free.Add(late.delay), b[:n]}:
			default:
			}
		}
	}
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// decide says how often a packet arrives, and whether at once.
func (w *wire) decide(to int, b []byte) (copies int, now bool, late weather) {
	w.mu.Lock()
	defer w.mu.Unlock()
	late = w.to[to]
	happens := func(p float64) bool { return p > 0 && w.dice.Float64() < p }
	copies = 1
	switch {
	case happens(late.loss):
		copies = 0
	case happens(late.double):
		copies = 2
	}
	if happens(late.flip) && flipBit(b, w.dice) {
		w.flips++
	}
	return copies, late.delay == 0 && late.rate == 0 || happens(late.reorder), late
}

// deliver writes packets when their time has come.
func (w *wire) deliver(to int, way <-chan parcel) {
	for p := range way {
		if wait := time.Until(p.at); wait > 0 {
			<-time.After(wait)
		}
		w.ends[to].Write(p.b) // into a device that is down: lost
	}
}

// flipBit changes a bit of what a TCP packet carries, so that TCP does not see it.
func flipBit(b []byte, dice *rand.Rand) bool {
	if len(b) < 40 || b[0]>>4 != 4 || b[9] != unix.IPPROTO_TCP {
		return false
	}
	head := int(b[0]&15) * 4
	segment := b[head:]
	data := segment[int(segment[12]>>4)*4:]
	if len(data) == 0 {
		return false
	}
	data[dice.IntN(len(data))] ^= 1 << dice.IntN(8)
	segment[16], segment[17] = 0, 0
	sum := uint32(unix.IPPROTO_TCP) + uint32(len(segment))
	for _, part := range [][]byte{b[12:20], segment} {
		for ; len(part) > 1; part = part[2:] {
			sum += uint32(binary.BigEndian.Uint16(part))
		}
		if len(part) == 1 {
			sum += uint32(part[0]) << 8
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(segment[16:], ^uint16(sum))
	return true
}
