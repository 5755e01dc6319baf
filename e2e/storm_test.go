package e2e_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/e2e/bench"
)

// stormNodes are fewer than make bench has. What a storm costs hardly depends on
// how many there are: the fewer, the harder it is to share calls.
const (
	stormNodes = 300
	atOnce     = 200
)

// latency is of each call of the cloud: longer than it takes a node to come after
// another on a slow machine, as those who come meanwhile share the next call.
const latency = 500 * time.Millisecond

// TestStormUnderLimits has instances attest at once, under limits that let next to
// no calls through. All get in at their first attempt, for a handful of calls.
func TestStormUnderLimits(t *testing.T) {
	t.Parallel()
	cloud, job := stormAWS(t, bench.Storm)
	got, err := job.Run(t.Context(), func() {
		cloud.Reset(bench.Rates{Latency: latency, EC2Burst: 10, EC2PerSecond: 2, IAMBurst: 10, IAMPerSecond: 2})
	})
	if err != nil {
		t.Fatal(err)
	}
	allIn(t, got)
	atMost(t, cloud.Calls(), min(20+beyond(got.Wall), stormNodes/2)) // one for each instance, were they not shared
}

// TestReplayFloodCostsNoCall sends evidence again whose nodes are in: it is refused
// before anything is asked.
func TestReplayFloodCostsNoCall(t *testing.T) {
	t.Parallel()
	cloud, job := stormAWS(t, bench.Replay)
	got, err := job.Run(t.Context(), func() {
		if len(cloud.Calls()) == 0 {
			t.Error("nobody was asked about the nodes that are in: the test shows nothing")
		}
		cloud.Reset(bench.Rates{})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Attested != 0 || got.Failed != stormNodes || !strings.Contains(got.LastError, "PermissionDenied") {
		t.Errorf("%d got in, %d were refused, the last with %q", got.Attested, got.Failed, got.LastError)
	}
	atMost(t, cloud.Calls(), 0)
}

// TestStormWhileConfigured configures the plugin again and again during a storm:
// nobody notices.
func TestStormWhileConfigured(t *testing.T) {
	t.Parallel()
	cloud, job := stormAWS(t, bench.Reload)
	got, err := job.Run(t.Context(), func() { cloud.Reset(bench.Rates{Latency: 20 * time.Millisecond}) })
	if err != nil {
		t.Fatal(err)
	}
	allIn(t, got)
	if got.Reloads == 0 {
		t.Error("it was never configured: the test shows nothing")
	}
}

// TestAzureStormUnderLimits is the same of machines.
func TestAzureStormUnderLimits(t *testing.T) {
	t.Parallel()
	binary, err := gatehouse()
	if err != nil {
		t.Fatal(err)
	}
	cloud, err := bench.NewAzure(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	machines, err := cloud.Fleet(stormNodes)
	if err != nil {
		t.Fatal(err)
	}
	job := cloud.Job(bench.Storm, binary, machines)
	job.AtOnce, job.Env = atOnce, cloud.Env()
	got, err := job.Run(t.Context(), func() {
		cloud.Reset(bench.AzureRates{Latency: latency, Burst: 10, PerSecond: 5})
	})
	if err != nil {
		t.Fatal(err)
	}
	allIn(t, got)
	atMost(t, cloud.Calls(), min(30+2*beyond(got.Wall), stormNodes)) // two for each machine, of it and of its network
	replays := cloud.Job(bench.Replay, binary, machines)
	replays.AtOnce, replays.Env = atOnce, cloud.Env()
	if got, err = replays.Run(t.Context(), func() { cloud.Reset(bench.AzureRates{}) }); err != nil {
		t.Fatal(err)
	}
	if got.Attested != 0 || got.Failed != stormNodes {
		t.Errorf("%d replays got in, %d were refused", got.Attested, got.Failed)
	}
	atMost(t, cloud.Calls(), 0)
}

// stormAWS is a cloud, and a job of Gatehouse's in it.
func stormAWS(t *testing.T, kind string) (*bench.AWS, bench.Job) {
	t.Helper()
	binary, err := gatehouse()
	if err != nil {
		t.Fatal(err)
	}
	cloud, err := bench.NewAWS(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	fleet, err := cloud.Fleet(stormNodes, 20)
	if err != nil {
		t.Fatal(err)
	}
	job := cloud.Job(kind, binary, fleet)
	job.AtOnce, job.Env = atOnce, cloud.Env()
	return cloud, job
}

func allIn(t *testing.T, got bench.Figures) {
	t.Helper()
	if got.Attested != stormNodes || got.Failed != 0 {
		t.Errorf("%d of %d are in, and %d attempts failed: %s", got.Attested, stormNodes, got.Failed, got.LastError)
	}
}

// beyond is how many calls one after another there is time for in a storm that takes
// longer than it should, because nodes come as slowly as the machine is. A storm whose
// calls are not shared takes long, too: half of those are a bound besides.
func beyond(wall time.Duration) int { return int(max(0, wall-5*time.Second) / latency) }

func atMost(t *testing.T, calls map[string]int, most int) {
	t.Helper()
	sum := 0
	for n := range maps.Values(calls) {
		sum += n
	}
	if sum > most {
		t.Errorf("%d calls, want %d at most: %v", sum, most, calls)
	}
}
