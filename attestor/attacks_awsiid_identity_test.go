package attestor

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Attacks on who a node is: on first use, on its agent ID and on its selectors.

// TestAttackFirstUseRace: many holders of one document at the same instant, and
// SPIRE that has stored none of them yet.
func TestAttackFirstUseRace(t *testing.T) {
	store := &agentStore{}
	c := newCloud()
	p := serve(t, c, store)
	p.configure(t, baseConfig)
	good := payload(t, nil)

	const holders = 50
	errs := make(chan error, holders)
	for range holders {
		go func() {
			_, err := p.attest(t, good)
			errs <- err
		}()
	}
	got := map[codes.Code]int{}
	for range holders {
		got[status.Code(<-errs)]++
	}
	// Until SPIRE has stored the agent, the others are to try again.
	want := map[codes.Code]int{codes.OK: 1, codes.Unavailable: holders - 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	store.add(agentID)
	if _, err := p.attest(t, good); status.Code(err) != codes.PermissionDenied {
		t.Errorf("once SPIRE has stored the agent: %v", err)
	}
}

// TestAttackFirstUseForgotten: an operator prunes or evicts an agent, so that
// SPIRE no longer knows that its document has been used.
func TestAttackFirstUseForgotten(t *testing.T) {
	old := genuine(t, at(time.Now().Add(-time.Hour))).json(t)
	baseline := newAWSScene(t, "")
	baseline.store.add(agentID)
	baseline.refuses(t, old, deniedBy("tofu", 0))
	baseline.store.forget(agentID)

	// To the baseline it is a first use again, for as long as the instance runs.
	baseline.cloud.instances[0].State.Name = ec2types.InstanceStateNameTerminated
	baseline.refuses(t, old, deniedBy("instance_state", 1))
	baseline.cloud.instances[0].State.Name = ec2types.InstanceStateNameRunning
	if id, _ := baseline.admits(t, old); id != agentID {
		t.Errorf("got %s", id)
	}

	aged := newAWSScene(t, agePolicy(t))
	aged.refuses(t, old, deniedBy("launch_age", 0))
}

// TestAttackSecondIdentity: a tag in the path is changed between two attestations
// of one machine.
func TestAttackSecondIdentity(t *testing.T) {
	s := newAWSScene(t, `agent_path_template = "/{{ .PluginName }}/{{ .Tags.Name }}/{{ .InstanceID }}"`)
	if id, _ := s.admits(t, genuine(t).json(t)); id != "spiffe://example.org/spire/agent/aws_iid/blog/i-0b22a22eec53b9321" {
		t.Fatalf("got %s", id)
	}
	s.cloud.instances[0].Tags[0].Value = aws.String("shop")
	s.refuses(t, genuine(t).json(t), refused{codes.Unavailable, "denied_for_now", "tofu: ", 1})
}

func TestAttackPathInjection(t *testing.T) {
	for name, tc := range map[string]struct {
		tag   string
		code  codes.Code
		about string
	}{
		"a segment more":     {"a/b", codes.PermissionDenied, "a slash in one of the node's values"},
		"a slash alone":      {"/", codes.PermissionDenied, "a slash in one of the node's values"},
		"up":                 {"..", codes.Internal, "path cannot contain dot segments"},
		"here":               {".", codes.Internal, "path cannot contain dot segments"},
		"an encoded slash":   {"a%2fb", codes.Internal, "path segment characters are limited"},
		"an encoded dot":     {"%2e%2e", codes.Internal, "path segment characters are limited"},
		"nothing":            {"", codes.Internal, "path cannot contain empty segments"},
		"another alphabet":   {"блог", codes.Internal, "path segment characters are limited"},
		"a look-alike slash": {"a∕b", codes.Internal, "path segment characters are limited"},
		"a space":            {"a b", codes.Internal, "path segment characters are limited"},
		"a line end":         {"a\nb", codes.Internal, "path segment characters are limited"},
		"a NUL":              {"a\x00b", codes.Internal, "path segment characters are limited"},
		"too long":           {strings.Repeat("x", 256), codes.Internal, "has 317 bytes, more than 255"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newAWSScene(t, `agent_path_template = "/{{ .PluginName }}/{{ .Tags.Name }}/{{ .InstanceID }}"`)
			s.cloud.instances[0].Tags[0].Value = aws.String(tc.tag)
			got, err := s.attest(t, genuine(t).json(t))
			if status.Code(err) != tc.code {
				t.Fatalf("got %v, %v", got, err)
			}
			line := s.logs.next(t, "Node attestation refused")
			if reason, _ := line["reason"].(string); !strings.Contains(reason, tc.about) {
				t.Errorf("the log says %v, want %q", line["reason"], tc.about)
			}
		})
	}
	t.Run("a slash beside one that the template splits at", func(t *testing.T) {
		s := newAWSScene(t, `agent_path_template = "/{{ .PluginName }}/{{ index (splitList \"/\" .Tags.Team) 1 }}/{{ .Tags.Name }}/{{ .InstanceID }}"`)
		s.cloud.instances[0].Tags = []ec2types.Tag{{Key: aws.String("Team"), Value: aws.String("one/two")}, {Key: aws.String("Name"), Value: aws.String("a/b")}}
		s.refuses(t, genuine(t).json(t), deniedBy("agent_path_template", 1))
		s.cloud.instances[0].Tags[1].Value = aws.String("blog")
		if id, _ := s.admits(t, genuine(t).json(t)); id != "spiffe://example.org/spire/agent/aws_iid/two/blog/i-0b22a22eec53b9321" {
			t.Errorf("got %s", id)
		}
	})
	t.Run("a path that two machines would share", func(t *testing.T) {
		_, err := newAWSScene(t, "").config.Configure(t.Context(), configure(`agent_path_template = "/{{ .PluginName }}/{{ .Tags.Name }}"`))
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "another machine could have the same") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a path outside of the plugin's", func(t *testing.T) {
		_, err := newAWSScene(t, "").config.Configure(t.Context(), configure(`agent_path_template = "/join_token/{{ .InstanceID }}"`))
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("got %v", err)
		}
	})
	t.Run("an account with a slash", func(t *testing.T) {
		s := newAWSScene(t, "")
		s.refuses(t, genuine(t, of("12345678901/", "i-0b22a22eec53b9321")).json(t), badEvidenceFor(`verify: awsiid: document: accountId "12345678901/" is not 12 digits`))
	})
}

func TestAttackSelectorInjection(t *testing.T) {
	tag := func(key, value string) ec2types.Tag {
		return ec2types.Tag{Key: aws.String(key), Value: aws.String(value)}
	}
	for name, tc := range map[string]struct {
		tag   ec2types.Tag
		about string
	}{
		"a line end":       {tag("a", "b\ninstance:id:i-1"), "decide: "},
		"a NUL":            {tag("a", "b\x00"), "decide: "},
		"400 characters":   {tag("a", strings.Repeat("v", 400)), "decide: "},
		"half a character": {tag("a", "\xff"), "decide: "},
	} {
		t.Run(name, func(t *testing.T) {
			s := newAWSScene(t, "")
			s.cloud.instances[0].Tags = []ec2types.Tag{tc.tag}
			s.refuses(t, genuine(t).json(t), refused{codes.Internal, "internal", tc.about, 1})
		})
	}
	// As the built-in's, tag selectors don't say where a key ends; a tag can't pass
	// for a selector of another kind, and none is there twice.
	s := newAWSScene(t, "")
	s.cloud.instances[0].Tags = []ec2types.Tag{tag("a:b", "c"), tag("a", "b:c"), tag("Env", "x"), tag("env", "x"), tag("region", "eu-south-1")}
	_, selectors := s.admits(t, genuine(t).json(t))
	got := slices.DeleteFunc(selectors, func(s string) bool { return !strings.HasPrefix(s, "tag:") && !strings.HasPrefix(s, "region:") })
	want := []string{"region:us-west-2", "tag:Env:x", "tag:a:b:c", "tag:env:x", "tag:region:eu-south-1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
