package decisionlog

import (
	"path/filepath"
	"testing"
)

// BenchmarkPut is what an attestation waits for; BenchmarkLine what is done when
// nobody waits: a decision's line, made and written to a file.
func BenchmarkPut(b *testing.B) {
	e := denial(b, nil, "1")
	l, _ := startWith(b, &counting{})
	for b.Loop() {
		l.Put(e)
	}
}

func BenchmarkLine(b *testing.B) {
	for name, policy := range map[string]string{"baseline": "", "masked": `mask contains "/input/facts/instance/tags/Name"`} {
		b.Run(name, func(b *testing.B) {
			e := denial(b, engineWith(b, policy), "1")
			s, err := openFile(File{Path: filepath.Join(b.TempDir(), "d.jsonl"), MaxBytes: 1 << 30})
			if err != nil {
				b.Fatal(err)
			}
			l, _ := startWith(b, s)
			for b.Loop() {
				l.write(b.Context(), e)
			}
		})
	}
}
