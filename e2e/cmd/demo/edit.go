package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spire-gatehouse/gatehouse/e2e/process"
	"github.com/spire-gatehouse/gatehouse/e2e/spire"
	"github.com/spire-gatehouse/gatehouse/e2e/stage"
)

// secondInstance boots after the policy was edited.
const secondInstance = "i-0b22a22eec53b9322"

const editedRule = `package gatehouse.aws_iid

violation contains {"rule": "environment", "msg": msg} if {
	not input.facts.instance.tags.env == "staging"
	msg := $"tag env is {input.facts.instance.tags.env}, not staging"
}
`

const editedReason = "environment: tag env is prod, not staging"

// edit adds a rule to the policy directory of the running server, and boots a
// machine that it denies, though one like it got in before.
func edit(ctx context.Context, s *screen, server *spire.Server, cloud *stage.AWS, policyDir string) error {
	at := server.Log.Len()
	file := filepath.Join(policyDir, "environment.rego")
	if err := os.WriteFile(file, []byte(editedRule), 0o644); err != nil {
		return err
	}
	s.field("wrote", file)
	s.say("")
	s.say(editedRule)
	wait, cancel := context.WithTimeout(ctx, logTimeout)
	defer cancel()
	entry, err := server.Log.Wait(wait, at, process.Message("Policy revision took over"))
	if err != nil {
		return err
	}
	s.say("")
	s.good("The edit is in force, the server was not restarted.")
	s.field("policy revision", entry.Field("policy_revision"))
	s.field("instead of", entry.Field("previous_policy_revision"))
	s.field("after", entry.Field("elapsed"))

	node, err := cloud.Boot(ctx, cloud.Document(secondInstance))
	if err != nil {
		return err
	}
	s.field("next machine", secondInstance)
	_, entry, err = refused(ctx, server, cloud, node)
	if err != nil {
		return err
	}
	if reason := entry.Field("reason"); reason != editedReason {
		return fmt.Errorf("the second machine was refused for another reason: %s", reason)
	}
	s.bad("Refused.")
	s.field("the server logs", entry.Field("reason"))
	s.field("decision", entry.Field("decision_id"))
	return nil
}

// refused starts an agent on the node that must be denied, and returns what it is
// told and what the server logs.
func refused(ctx context.Context, server *spire.Server, cloud *stage.AWS, node stage.Node) (told string, entry process.Entry, err error) {
	agent, err := startAgent(ctx, server, cloud, node)
	if err != nil {
		return "", entry, err
	}
	defer agent.Stop()
	if told, err = agent.Refusal(ctx); err != nil {
		return "", entry, err
	}
	wait, cancel := context.WithTimeout(ctx, logTimeout)
	defer cancel()
	entry, err = server.Log.Wait(wait, 0, func(e process.Entry) bool {
		id := e.Field("decision_id")
		return id != "" && strings.Contains(told, id)
	})
	if err != nil {
		return "", entry, err
	}
	if outcome := entry.Field("outcome"); outcome != "denied" {
		return "", entry, fmt.Errorf("the attestation ended as %q: %s", outcome, told)
	}
	return told, entry, nil
}
