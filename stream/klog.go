package stream

import "bytes"

// klog reads the lines of Kubernetes' own programs, and of glog:
// I0102 15:04:05.000000    1234 file.go:12] message.
func (p *parser) klog(line []byte) bool {
	if len(line) < 22 || line[5] != ' ' || line[14] != '.' {
		return false
	}
	level := klogLevel(line[0])
	if level == nil {
		return false
	}
	ok := true
	s := stamp{year: 2000, month: twoDigits(line, 1, &ok), day: twoDigits(line, 3, &ok)}
	n := s.clock(line, 6)
	if !ok || n == 0 {
		return false
	}
	pid, rest := cut(bytes.TrimLeft(line[n:], " "))
	end := bytes.Index(rest, []byte("] "))
	if end <= 0 || len(pid) == 0 || digits(pid) != len(pid) || bytes.IndexByte(rest[:end], ' ') >= 0 {
		return false
	}
	if s = p.clock.guessYear(s); !s.ok() {
		return false
	}
	p.entry.at = p.clock.settle(s)
	p.entry.level = plain(level)
	p.entry.message = plain(rest[end+2:])
	p.entry.add("pid", pid)
	p.entry.add("caller", rest[:end])
	return true
}

func klogLevel(c byte) []byte {
	switch c {
	case 'I':
		return levelNames[3]
	case 'W':
		return levelNames[2]
	case 'E', 'F':
		return levelNames[1]
	}
	return nil
}
