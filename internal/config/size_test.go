package config

import (
	"testing"
	"time"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		"0": 0, "1048576": 1 << 20, "64MiB": 64 << 20, "1GiB": 1 << 30, "10MB": 10e6, "1 KiB": 1024, "3tb": 3e12, "7B": 7,
		"8388607TiB": 8388607 << 40,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "+1", "1.5GiB", "1M", "1k", "1Mib ", "1  MiB", "0x10", "1_000", "8388608TiB", "99999999999999999999"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", text, got)
		}
	}
	for size, want := range map[Size]string{
		0: "0", 1: "1", 1000: "1KB", 1024: "1KiB", 1 << 20: "1MiB", 1e6: "1MB", 1536: "1536", 1500e3: "1500KB",
		64 << 20: "64MiB", 1 << 40: "1TiB", 1e12: "1TB", -1: "-1",
	} {
		if got := size.String(); got != want {
			t.Errorf("Size(%d) = %s, want %s", size, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0s": 0, "5s": 5 * time.Second, "1h30m": 90 * time.Minute, "7d": 7 * day, "2w": 14 * day, "500ms": 500 * time.Millisecond,
		"1m500us": time.Minute + 500*time.Microsecond, "3µs": 3 * time.Microsecond, "106751d": 106751 * day,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "5", "-5s", "1.5h", "s", "5 s", "5s5", "5x", "1000000d", "99999999999999999999s", "106751d24h"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", text, got)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 90 * time.Second: "1m30s", time.Hour: "1h", 90 * time.Minute: "1h30m", day: "1d",
		7 * day: "7d", time.Hour + time.Second: "1h1s", 1500 * time.Millisecond: "1s500ms", 36 * time.Hour: "1d12h", 10 * time.Minute: "10m",
		100 * time.Hour: "4d4h",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("FormatDuration(%v) = %s, want %s", d, got, want)
		}
	}
}

func FuzzSize(f *testing.F) {
	f.Add("64MiB", int64(1<<40))
	f.Fuzz(func(t *testing.T, text string, n int64) {
		if s, err := ParseSize(text); err == nil && s < 0 {
			t.Errorf("ParseSize(%q) = %d, want no less than 0", text, s)
		}
		n &= 1<<63 - 1
		if got, err := ParseSize(Size(n).String()); err != nil || int64(got) != n {
			t.Errorf("ParseSize(%s) = %d, %v, want %d", Size(n), got, err, n)
		}
	})
}

func FuzzDuration(f *testing.F) {
	f.Add("1h30m", int64(1e12))
	f.Fuzz(func(t *testing.T, text string, n int64) {
		if d, err := ParseDuration(text); err == nil && d < 0 {
			t.Errorf("ParseDuration(%q) = %v, want no less than 0", text, d)
		}
		n &= 1<<63 - 1
		if got, err := ParseDuration(FormatDuration(time.Duration(n))); err != nil || int64(got) != n {
			t.Errorf("ParseDuration(%s) = %v, %v, want %v", FormatDuration(time.Duration(n)), got, err, time.Duration(n))
		}
	})
}
