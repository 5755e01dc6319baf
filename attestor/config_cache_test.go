package attestor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
	"github.com/spire-gatehouse/gatehouse/evidence"
	"github.com/spire-gatehouse/gatehouse/evidence/awsiid"
	"github.com/spire-gatehouse/gatehouse/evidence/azuremsi"
)

func problemTexts(o *plugindata.Object) (texts []string) {
	for _, problem := range o.Problems() {
		texts = append(texts, problem.String())
	}
	return texts
}

// TestCachePages: what the pages show are the defaults.
func TestCachePages(t *testing.T) {
	block := func(page string) *plugindata.Object {
		t.Helper()
		text, err := os.ReadFile(filepath.Join("..", "docs", page))
		if err != nil {
			t.Fatal(err)
		}
		_, shown, _ := strings.Cut(string(text), "\n    cache {\n")
		shown, _, found := strings.Cut(shown, "\n    }\n")
		if !found {
			t.Fatalf("%s shows no block cache", page)
		}
		return plugindata.Parse("cache {\n" + shown + "\n}")
	}
	o := block("aws_iid.md")
	if got := awsLifetimes(o); got != awsiid.DefaultLifetimes() || len(o.Problems()) > 0 {
		t.Errorf("aws_iid: %+v, %v", got, o.Problems())
	}
	o = block("azure_msi.md")
	if got := azureLifetimes(o); got != azuremsi.DefaultLifetimes() || len(o.Problems()) > 0 {
		t.Errorf("azure_msi: %+v, %v", got, o.Problems())
	}
}

// TestRetryHint: who must come again is told when.
func TestRetryHint(t *testing.T) {
	busy := &evidence.BusyError{What: "instance", After: 2 * time.Second}
	r := refuse(unavailable, "gather: %s", "busy").waitAsTold(errors.New("another"), fmt.Errorf("fact: %w", busy), nil)
	if got, want := r.status("ID").Error(), "rpc error: code = Unavailable desc = attestation can't be decided now, try again in 2s (decision ID)"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAWSCache(t *testing.T) {
	defaults := awsiid.Lifetimes{InstanceProfile: time.Minute, EKS: 30 * time.Second, Recheck: 10 * time.Second}
	for name, tc := range map[string]struct {
		text     string
		want     awsiid.Lifetimes
		problems []string
	}{
		"none":  {``, defaults, nil},
		"empty": {`cache {}`, defaults, nil},
		"all": {`cache {
			instance_profile = "5m"
			eks = "1m"
			recheck = "5s"
		}`, awsiid.Lifetimes{InstanceProfile: 5 * time.Minute, EKS: time.Minute, Recheck: 5 * time.Second}, nil},
		"short":                 {`cache { eks = "10ms" }`, awsiid.Lifetimes{}, []string{`line 1: cache.eks: must be between 1s and 168h0m0s`, `line 1: cache.eks: must not be shorter than recheck, which is 10s`}},
		"recheck over the rest": {`cache { recheck = "40s" }`, awsiid.Lifetimes{}, []string{`line 1: cache.recheck: must not be longer than eks, which is 30s`}},
		"recheck over the accounts": {`cache {
			recheck = "2m"
			eks = "3m"
			instance_profile = "3m"
		}`, awsiid.Lifetimes{}, []string{`line 2: cache.recheck: must not be longer than 1m0s, the least org_account_map_ttl`}},
		"unknown": {`cache { profile = "1m" }`, awsiid.Lifetimes{}, []string{`line 1: cache.profile: unknown key; known here: eks, instance_profile, recheck`}},
	} {
		t.Run(name, func(t *testing.T) {
			o := plugindata.Parse(tc.text)
			got := awsLifetimes(o)
			problems := problemTexts(o)
			if !slices.Equal(problems, tc.problems) || tc.problems == nil && got != tc.want {
				t.Errorf("got %+v, %q\nwant %+v, %q", got, problems, tc.want, tc.problems)
			}
		})
	}
}

func TestAzureCache(t *testing.T) {
	for name, tc := range map[string]struct {
		text     string
		want     azuremsi.Lifetimes
		problems []string
	}{
		"none": {``, azuremsi.Lifetimes{Keys: time.Hour, KeysStale: 24 * time.Hour, KeysRecheck: 5 * time.Second, Resource: time.Minute, Recheck: 3 * time.Second}, nil},
		"all": {`cache {
			keys = "2h"
			keys_stale = "48h"
			keys_recheck = "1s"
			resource = "10s"
			recheck = "2s"
		}`, azuremsi.Lifetimes{Keys: 2 * time.Hour, KeysStale: 48 * time.Hour, KeysRecheck: time.Second, Resource: 10 * time.Second, Recheck: 2 * time.Second}, nil},
		"stale under fresh": {`cache { keys_stale = "30m" }`, azuremsi.Lifetimes{}, []string{`line 1: cache.keys_stale: must not be shorter than keys, which is 1h0m0s`}},
	} {
		t.Run(name, func(t *testing.T) {
			o := plugindata.Parse(tc.text)
			got := azureLifetimes(o)
			problems := problemTexts(o)
			if !slices.Equal(problems, tc.problems) || tc.problems == nil && got != tc.want {
				t.Errorf("got %+v, %q\nwant %+v, %q", got, problems, tc.want, tc.problems)
			}
		})
	}
}
