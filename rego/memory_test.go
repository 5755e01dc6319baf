package rego_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/spire-gatehouse/gatehouse/policies"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// A policy that grows without end is stopped before it has taken all memory, in a
// sample's decision as in a test.
func TestMemoryIsBounded(t *testing.T) {
	var doubling strings.Builder
	doubling.WriteString("_s0 := \"xxxxxxxxxxxxxxxx\"\n")
	for n := range 40 { // 16 TiB
		fmt.Fprintf(&doubling, "\n_s%d := concat(\"\", [_s%d, _s%d])\n", n+1, n, n)
	}
	samples, err := policies.Samples("aws_iid")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		files fstest.MapFS
		want  []string // one of these
	}{
		{
			fstest.MapFS{"own.rego": {Data: []byte("package gatehouse.aws_iid\n\n" + doubling.String() + "\nselector contains \"x\" if count(_s40) == 1\n")}},
			[]string{"tried on sample first_use.json: rego: gatehouse.aws_iid.decision: stopped: took more than 256 MiB of memory"},
		}, {
			fstest.MapFS{"own_test.rego": {Data: []byte("package own_test\n\n" + doubling.String() + "\ntest_own if count(_s40) == 1\n")}},
			// A slow machine reaches the limit of a test's time first.
			[]string{"tests: stopped: took more than 256 MiB of memory", "own_test.rego:85: test_own errs"},
		},
	} {
		_, err := rego.New(t.Context(), rego.Options{
			Plugin: "aws_iid", Policy: policies.Over(tc.files), Samples: samples, Timeout: time.Minute,
			SelfTest: func(name string) bool { return name == "own_test.rego" },
		})
		if err == nil || !slices.ContainsFunc(tc.want, func(want string) bool { return strings.Contains(err.Error(), want) }) {
			t.Errorf("got %v, want %q", err, tc.want)
		}
	}
}
