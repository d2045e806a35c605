package logfile_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const childEnv = "FAIRLEAD_TEST_CHILD"

func init() {
	asChild = func() bool {
		if os.Getenv(childEnv) == "" {
			return false
		}
		if err := childMain(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return true
	}
	startChild = func(t *testing.T, conf config, out func(item)) runner { return startWith(t, conf, out, launch{}) }
}

// childMain runs an engine: a config and then questions come on in, answers and
// items go to out, each a JSON value.
func childMain(in io.Reader, out io.Writer) error {
	var conf config
	dec := json.NewDecoder(in)
	if err := dec.Decode(&conf); err != nil {
		return fmt.Errorf("read config: %w", err)
	}
	if err := conf.prepare(); err != nil {
		return err
	}
	var mu sync.Mutex
	enc := json.NewEncoder(out)
	say := func(a answer) {
		mu.Lock()
		defer mu.Unlock()
		enc.Encode(a)
	}
	e, err := startEngine(conf, func(it item) { say(answer{Item: &it}) })
	if err != nil {
		return err
	}
	say(answer{Done: true})
	for {
		var q question
		if err := dec.Decode(&q); err != nil { // the end: nobody asks any more
			return e.stop()
		}
		say(q.put(e))
	}
}

// prepare makes the process what the config wants.
func (conf config) prepare() error {
	if n := conf.Descriptors; n > 0 {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			return fmt.Errorf("limit descriptors: %w", err)
		}
	}
	for path, text := range conf.Write {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if o := conf.Overlay; o != nil {
		options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", o[0], o[1], o[2])
		if err := unix.Mount("overlay", o[3], "overlay", 0, options); err != nil {
			return fmt.Errorf("mount overlay: %w", err)
		}
	}
	return nil
}

type question struct {
	Allow *int64 // for Path
	Path  string
	Why   bool
}

type answer struct {
	Item    *item    `json:",omitempty"`
	Numbers *numbers `json:",omitempty"`
	Why     string   `json:",omitempty"`
	Done    bool     `json:",omitempty"`
}

func (q question) put(e *engine) answer {
	a := answer{Done: true}
	switch {
	case q.Allow != nil:
		e.allow(q.Path, *q.Allow)
	case q.Why:
		a.Why = e.why(q.Path)
	default:
		n := e.numbers()
		a.Numbers = &n
	}
	return a
}

// A launch is how a child is started.
type launch struct {
	prefix []string             // a program that runs it, as strace
	attr   *syscall.SysProcAttr // another uid, other namespaces
	binary string               // if not this one
}

// A child is a runner in another process.
type child struct {
	t       *testing.T
	cmd     *exec.Cmd
	in      io.Closer
	enc     *json.Encoder // to in
	answers chan answer
	stderr  strings.Builder
	read    sync.WaitGroup
}

func startWith(t *testing.T, conf config, out func(item), how launch) runner {
	t.Helper()
	c, err := tryChild(t, conf, out, how)
	must(t, err)
	return c
}

// tryChild returns an error if the child could not become what it should.
func tryChild(t *testing.T, conf config, out func(item), how launch) (*child, error) {
	binary := how.binary
	if binary == "" {
		binary = "/proc/self/exe"
	}
	args := append(how.prefix, binary)
	if len(how.prefix) > 0 && how.binary == "" {
		exe, err := os.Executable()
		must(t, err)
		args[len(args)-1] = exe
	}
	c := &child{t: t, cmd: exec.Command(args[0], args[1:]...), answers: make(chan answer)}
	c.cmd.Env = append(os.Environ(), childEnv+"=1")
	c.cmd.SysProcAttr = how.attr
	c.cmd.Stderr = &c.stderr
	in, err := c.cmd.StdinPipe()
	must(t, err)
	c.in, c.enc = in, json.NewEncoder(in)
	stdout, err := c.cmd.StdoutPipe()
	must(t, err)
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	c.read.Go(func() { c.listen(stdout, out) })
	c.enc.Encode(conf) // if it does not arrive, there is no answer
	if _, ok := <-c.answers; !ok {
		c.in.Close()
		c.read.Wait()
		return nil, fmt.Errorf("start child: %v: %s", c.cmd.Wait(), c.stderr.String())
	}
	return c, nil
}

// listen hands on what the child's followers tell, until it ends.
func (c *child) listen(stdout io.Reader, out func(item)) {
	defer close(c.answers)
	for dec := json.NewDecoder(stdout); ; {
		var a answer
		if err := dec.Decode(&a); err != nil {
			return
		}
		if a.Item != nil {
			out(*a.Item)
			continue
		}
		c.answers <- a
	}
}

func (c *child) ask(q question) answer {
	c.t.Helper()
	if err := c.enc.Encode(q); err != nil {
		c.t.Fatalf("ask child: %v: %s", err, c.stderr.String())
	}
	a, ok := <-c.answers
	if !ok {
		c.t.Fatalf("the child is gone: %s", c.stderr.String())
	}
	return a
}

func (c *child) allow(path string, n int64) { c.ask(question{Allow: &n, Path: path}) }

func (c *child) numbers() numbers { return *c.ask(question{}).Numbers }

func (c *child) why(path string) string { return c.ask(question{Path: path, Why: true}).Why }

func (c *child) stop() error {
	c.in.Close()
	c.read.Wait()
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("child: %v: %s", err, c.stderr.String())
	}
	return nil
}

// pause stops the child, all its threads, while do runs.
func (c *child) pause(do func()) {
	c.t.Helper()
	must(c.t, c.cmd.Process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(c.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	must(c.t, err)
	defer c.cmd.Process.Signal(syscall.SIGCONT)
	if !status.Stopped() {
		c.t.Fatalf("the child is not stopped: %v", status)
	}
	do()
}
