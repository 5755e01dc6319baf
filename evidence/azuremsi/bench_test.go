package azuremsi_test

import (
	"testing"

	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// BenchmarkVerify verifies one token again and again, with the keys in cache.
func BenchmarkVerify(b *testing.B) {
	authority := entra.New(keys().a)
	c := newCollector(b, authority)
	data := payload(b, authority.Issue(keys().a, vm(), now).Sign())
	b.ReportAllocs()
	for b.Loop() {
		if _, problem := verifyPayload(b, c, data); problem != "" {
			b.Fatal(problem)
		}
	}
}
