package serve_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// childEnv makes the test binary one of the clients below instead of running
// tests: ROLE ADDRESS ARGUMENT...
const childEnv = "FAIRLEAD_SERVE_TEST_CHILD"

var roles = map[string]func(addr string, args []string) error{
	"trickle": trickle,
	"follow":  followMany,
	"ask":     askOnce,
	"insist":  insist,
	"hold":    hold,
}

func TestMain(m *testing.M) {
	words := strings.Fields(os.Getenv(childEnv))
	if len(words) == 0 {
		os.Exit(m.Run())
	}
	if err := roles[words[0]](words[1], words[2:]); err != nil {
		fmt.Fprintln(os.Stderr, words[0]+":", err)
		os.Exit(1)
	}
}

// command is the test binary in a role. It ends when its input does.
func command(t *testing.T, role, addr string, args ...string) *exec.Cmd {
	t.Helper()
	exe := "/proc/self/exe" // reachable for every user
	if _, err := os.Stat(exe); err != nil {
		if exe, err = os.Executable(); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(exe)
	cmd.Dir = "/"
	words := append([]string{role, addr}, args...)
	cmd.Env = append(os.Environ(), childEnv+"="+strings.Join(words, " "), "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	return cmd
}

// spawn starts clients in a process of their own.
func (r *rig) spawn(role string, args ...string) (stop func()) {
	r.t.Helper()
	cmd := command(r.t, role, r.addr, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			r.t.Errorf("%s: %v", role, err)
		}
	})
	r.t.Cleanup(stop)
	return stop
}

// untilInputEnds is closed when whoever started us wants us to end.
func untilInputEnds() <-chan struct{} {
	over := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(over)
	}()
	return over
}

// trickle keeps N connections and sends one byte a second on each. Those that
// are closed it opens again.
func trickle(addr string, args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	over := untilInputEnds()
	conns := make([]net.Conn, n)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		for i, c := range conns {
			if c != nil {
				if _, err := c.Write([]byte{'0'}); err == nil {
					continue
				}
				c.Close()
			}
			c, err := net.DialTimeout("tcp", addr, 5*time.Second)
			if err != nil {
				conns[i] = nil
				continue
			}
			c.Write([]byte{'0'})
			conns[i] = c
		}
		select {
		case <-over:
			return nil
		case <-tick.C:
		}
	}
}

// followMany follows with N clients a log whose lines are the time of their
// writing. When each client has read M lines it prints how late they came.
func followMany(addr string, args []string) error {
	n, _ := strconv.Atoi(args[0])
	m, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	late := make([]time.Duration, n*m)
	var wg sync.WaitGroup
	for i := range n {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return err
		}
		io.WriteString(c, "4\n") // behind what is there
		wg.Go(func() {
			r := bufio.NewReaderSize(c, 64)
			for j := range m {
				line, _ := r.ReadString('\n')
				wrote, _ := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
				late[i*m+j] = time.Since(time.Unix(0, wrote))
			}
		})
	}
	wg.Wait()
	slices.Sort(late)
	at := func(q float64) int64 { return late[int(q*float64(len(late)-1))].Microseconds() }
	fmt.Println(len(late), at(0.5), at(0.99), at(1))
	return nil
}

// insist lets N clients at once read one of M files each, and try again until
// they have been let in.
func insist(addr string, args []string) error {
	n, _ := strconv.Atoi(args[0])
	m, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	var tries atomic.Int64
	errs := make(chan error, n)
	for i := range n {
		go func() {
			file := i * 7 % m
			for end := time.Now().Add(patience); ; {
				tries.Add(1)
				err := askFor(addr, fmt.Sprintf("%03d.log 0\n", file), fmt.Sprintf("file %d\n", file))
				if err == nil || time.Now().After(end) {
					errs <- err
					return
				}
			}
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			return err
		}
	}
	fmt.Printf("%d clients were served, in %d tries", n, tries.Load())
	return nil
}

func askFor(addr, header, want string) error {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	c.(*net.TCPConn).SetLinger(0) // a reset frees the place at once
	c.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(c, header)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if string(got) != want {
		return fmt.Errorf("%q is answered with %q, want %q", header, got, want)
	}
	return nil
}

// hold prints how many of N clients are served at the same time.
func hold(addr string, args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	served := 0
	for range n {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			continue
		}
		defer c.Close()
		c.(*net.TCPConn).SetLinger(0)
		c.SetDeadline(time.Now().Add(10 * time.Second))
		io.WriteString(c, "0\n")
		if _, err := io.ReadFull(c, make([]byte, 4)); err == nil {
			served++
		}
	}
	fmt.Print(served)
	return nil
}

// askOnce sends a header, or over HTTP a path, and prints what comes until the
// end, or until a whole line has.
func askOnce(addr string, args []string) error {
	header := strings.Join(args, " ") + "\n"
	if path, ok := strings.CutPrefix(args[0], "http:"); ok {
		header = "GET " + path + " HTTP/1.0\r\n\r\n"
	}
	network := "tcp"
	if strings.HasPrefix(addr, "/") {
		network = "unix"
	}
	c, err := net.Dial(network, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(c, header)
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		fmt.Print(line)
		if err != nil || !strings.HasPrefix(args[0], "http:") {
			return nil
		}
	}
}
