package plain

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An independent is a program of the same protocol that shares no line with ours.
type independent struct {
	t   testing.TB
	cmd *exec.Cmd
	out *bufio.Reader
}

func startPython(t testing.TB, args ...string) *independent {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not here")
	}
	p := &independent{t: t, cmd: exec.Command(path, append([]string{filepath.Join("testdata", "logship.py")}, args...)...)}
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	must(t, err)
	p.out = bufio.NewReader(out)
	must(t, p.cmd.Start())
	t.Cleanup(p.kill)
	return p
}

// line returns the rest of a line that begins so.
func (p *independent) line(begins string) string {
	p.t.Helper()
	for {
		line, err := p.out.ReadString('\n')
		must(p.t, err)
		if rest, ok := strings.CutPrefix(line, begins); ok {
			return strings.TrimSpace(rest)
		}
	}
}

// kill is kill -9.
func (p *independent) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

// binary is text with all bytes in it.
func binary(n int) string {
	random := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return string(b)
}

// Their receiver writes through a buffer that it flushes at the end: what is in it when it
// is killed is sent again, and what is not is not.
func TestTheirReceiver(t *testing.T) {
	dir := t.TempDir()
	rx := startPython(t, "rx", "0", dir)
	port := rx.line("listening on ")
	stored := filepath.Join(dir, "127.0.0.1_a.log")
	s := newShip(t, "127.0.0.1:"+port)
	text := binary(1_000_000)
	s.append("a.log", text)
	s.up(func(s *Sender) { s.Idle = 200 * time.Millisecond })
	eventually(t, has(stored, text)) // the end of it since we close
	for i := range 5 {
		more := binary(5000 + i)
		s.append("a.log", more)
		text += more
		eventually(t, func() string { // it has something of it
			if fi, err := os.Stat(stored); err != nil || fi.Size() < int64(len(text)-len(more)) {
				return fmt.Sprint(fi, err)
			}
			return ""
		})
		rx.kill()
		rx = startPython(t, "rx", port, dir)
		rx.line("listening on ")
		eventually(t, has(stored, text))
	}
}

// With Once all is there at the end, also with a receiver that flushes late.
func TestTheirReceiverOnce(t *testing.T) {
	dir := t.TempDir()
	port := startPython(t, "rx", "0", dir).line("listening on ")
	s := newShip(t, "127.0.0.1:"+port)
	for i := range 20 {
		s.append(fmt.Sprintf("%d.log", i), binary(10_000*i))
	}
	s.up(func(s *Sender) { s.Once = true })
	s.settled()
	for i := range 20 {
		if wrong := has(filepath.Join(dir, fmt.Sprintf("127.0.0.1_%d.log", i)), binary(10_000*i))(); wrong != "" {
			t.Error(wrong)
		}
	}
}

// Their sender goes on at our length, whichever side is killed.
func TestTheirSender(t *testing.T) {
	s := newStation(t)
	source := filepath.Join(t.TempDir(), "source")
	text := binary(300_000)
	must(t, os.WriteFile(source, []byte(text), 0o600))
	_, port, _ := strings.Cut(s.addr, ":")
	tx := startPython(t, "tx", port, "  a b.log ", source)
	eventually(t, has(s.stored("a b.log"), text))
	for i := range 4 {
		more := binary(50_000 + i)
		f, err := os.OpenFile(source, os.O_WRONLY|os.O_APPEND, 0)
		must(t, err)
		_, err = f.WriteString(more)
		must(t, err)
		must(t, f.Close())
		text += more
		if i%2 == 0 {
			tx.kill()
			tx = startPython(t, "tx", port, "  a b.log ", source)
		} else {
			s.stop()
			s.up()
		}
		eventually(t, has(s.stored("a b.log"), text))
	}
}
