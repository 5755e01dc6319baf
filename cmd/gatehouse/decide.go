package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/spire-gatehouse/gatehouse/attestor"
	"github.com/spire-gatehouse/gatehouse/rego"
)

// decide is the command decide: what its flags say.
type decide struct {
	answer
	evidence, input, log string
	decisionID           string
	plugin, config       string
	policy, trustDomain  string
	time, peer, facts    string
	explain              string
	live                 bool
	attested             optionalBool
}

func newDecide() *cobra.Command {
	var d decide
	cmd := &cobra.Command{
		Use:   "decide (--evidence FILE | --input FILE | --log FILE)",
		Short: "Decide about one attestation, and explain the decision",
		Long: `Decides about one node as the plugin would, without SPIRE, and says of every rule
whether it fired, where it is and which input values it reads. Of what is it asked?

  --evidence FILE  what an agent sent. It is verified as ever. Facts come from
                   --facts, or with --live from the cloud
  --input FILE     an input document, as policies see it (gatehouse policy inputs
                   prints some). What it says is believed
  --log FILE       a line of a decision log, chosen by --decision-id. Configuration
                   is what the log has, unless --config names another

FILE may be - for standard input. The clock is that of the recorded decision, or now;
--time sets it, for verifying an expired token too. Nothing is claimed, and nobody is
let in: SPIRE is not asked whether the agent has attested before; --attested says so.

--facts FILE is a JSON object of facts by name, as in input.facts; null is for a fact
of which the cloud says that there is none.` +
			exitCodes("the node is let in", "it is refused: by policy, or its evidence is none", "nothing could be decided: a fact is missing, the policy doesn't load"),
		Example: `  gatehouse decide --input input.json
  gatehouse decide --input input.json --policy ./policy --explain fails
  gatehouse decide --plugin aws_iid --evidence payload.json --facts facts.json --config server.conf
  gatehouse decide --plugin aws_iid --evidence payload.json --live --config server.conf
  gatehouse decide --log decisions.jsonl --decision-id 7c1e… --policy ./policy --format json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd) },
	}
	d.flag(cmd)
	flags := cmd.Flags()
	flags.StringVar(&d.evidence, "evidence", "", "file with the payload that an agent sent")
	flags.StringVar(&d.input, "input", "", "file with an input document")
	flags.StringVar(&d.log, "log", "", "file with decision log lines")
	flags.StringVar(&d.decisionID, "decision-id", "", "which decision of the log; not needed for the only one")
	flags.StringVar(&d.plugin, "plugin", "", "the plugin whose evidence it is, or whose block of a server.conf to take")
	flags.StringVar(&d.config, "config", "", "server.conf, or file with a plugin_data (default: no keys set)")
	flags.StringVar(&d.policy, "policy", "", "directory of policies over the baseline, in the place of the configured ones")
	flags.StringVar(&d.trustDomain, "trust-domain", "", "the server's trust domain (default: as recorded or configured, or else example.org)")
	flags.StringVar(&d.time, "time", "", "the clock, in RFC 3339: 2026-01-02T03:04:05Z")
	flags.StringVar(&d.peer, "peer", "", "the agent's IP address, as SPIRE forwards it")
	flags.StringVar(&d.facts, "facts", "", "file with facts, which come before recorded ones")
	flags.BoolVar(&d.live, "live", false, "ask the cloud for facts about the evidence")
	flags.Var(&d.attested, "attested", "whether the agent has attested before (default: as recorded, or else false)")
	flags.Lookup("attested").NoOptDefVal = "true"
	flags.StringVar(&d.explain, "explain", "", "print OPA's trace: notes, fails or full")
	return cmd
}

func (d *decide) run(cmd *cobra.Command) error {
	if err := d.checkFlags(); err != nil {
		return err
	}
	q, recorded, err := d.question()
	if err != nil {
		return err
	}
	config, err := d.configuration(cmd.Context(), recorded)
	if err != nil {
		return err
	}
	verdict, err := config.Decide(cmd.Context(), q)
	if err != nil {
		return err
	}
	document := newDecision(config, verdict, recorded)
	if err := d.give(cmd, document, func(p *page) { document.write(p) }); err != nil {
		return err
	}
	switch {
	case verdict.Attested():
		return nil
	case verdict.Denied():
		return errNo
	}
	return errors.New("nothing could be decided: " + verdict.Reason)
}

func (d *decide) checkFlags() error {
	sources := 0
	for _, file := range []string{d.evidence, d.input, d.log} {
		if file != "" {
			sources++
		}
	}
	switch {
	case sources != 1:
		return usageErrorf("name one of --evidence, --input and --log")
	case d.evidence != "" && d.plugin == "":
		return usageErrorf("--evidence needs --plugin: %s", strings.Join(attestor.KindNames(), " or "))
	case d.live && d.evidence == "":
		return usageErrorf("--live needs --evidence: clouds are asked about verified evidence only")
	case d.live && d.facts != "":
		return usageErrorf("--live excludes --facts")
	case d.decisionID != "" && d.log == "":
		return usageErrorf("--decision-id needs --log")
	}
	switch rego.TraceLevel(d.explain) {
	case rego.TraceNothing, rego.TraceNotes, rego.TraceFails, rego.TraceFull:
	default:
		return usageErrorf("--explain %q is none of notes, fails and full", d.explain)
	}
	return d.check()
}

// question reads what to decide about. What is recorded about it is nil for a
// payload.
func (d *decide) question() (attestor.Case, *recorded, error) {
	q := attestor.Case{Live: d.live, Attested: d.attested.value, Trace: rego.TraceLevel(d.explain)}
	var err error
	if d.peer != "" {
		if q.PeerIP, err = netip.ParseAddr(d.peer); err != nil {
			return q, nil, usageErrorf("--peer: %v", err)
		}
	}
	if d.facts != "" {
		text, err := readFile(d.facts)
		if err != nil {
			return q, nil, err
		}
		if err := json.Unmarshal(text, &q.Facts); err != nil {
			return q, nil, fmt.Errorf("%s: %w", d.facts, err)
		}
	}
	if d.evidence != "" {
		q.Payload, err = readFile(d.evidence)
		return q, nil, err
	}
	var r *recorded
	if d.log != "" {
		r, err = readLog(d.log, d.decisionID)
	} else {
		r, err = readInput(d.input)
	}
	if err != nil {
		return q, nil, err
	}
	q.Recorded = &r.input
	return q, r, nil
}

// clock is the decision's.
func (d *decide) clock(r *recorded) (func() time.Time, error) {
	switch {
	case d.time != "":
		at, err := time.Parse(time.RFC3339Nano, d.time)
		if err != nil {
			return nil, usageErrorf("--time %q is no time of RFC 3339, such as 2026-01-02T03:04:05Z", d.time)
		}
		return func() time.Time { return at }, nil
	case r != nil:
		return func() time.Time { return r.input.Time }, nil
	}
	return time.Now, nil
}

// optionalBool is a flag that knows whether it is set.
type optionalBool struct{ value *bool }

func (b *optionalBool) String() string {
	if b.value == nil {
		return ""
	}
	return fmt.Sprint(*b.value)
}

func (b *optionalBool) Type() string { return "bool" }

func (b *optionalBool) Set(text string) error {
	switch text {
	case "true", "false":
		yes := text == "true"
		b.value = &yes
		return nil
	}
	return errors.New("want true or false")
}

// readFile reads a file, or standard input for "-".
func readFile(name string) ([]byte, error) {
	if name == "-" {
		return readAll(os.Stdin, "standard input")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, name)
}
