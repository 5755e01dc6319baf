package rego

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// DecodeInput reads an input document as Document, or Asked.Input, has it.
func DecodeInput(text []byte) (Input, error) {
	value, err := ParseValue(text)
	if err != nil {
		return Input{}, fmt.Errorf("rego: input document: %w", err)
	}
	return InputOf(value)
}

// InputOf reads an input document. Its evidence and its facts are Values, so that
// policy sees the same input as then.
func InputOf(document Value) (Input, error) {
	var in Input
	var f fields
	f.object("", document.value, func(name string, value ast.Value) bool {
		switch name {
		case "plugin":
			in.Plugin = f.text(name, value)
		case "trust_domain":
			in.TrustDomain = f.text(name, value)
		case "time":
			in.Time = f.time(name, value)
		case "peer":
			in.PeerIP = f.peer(value)
		case "evidence":
			in.Evidence = recordedPart(value)
		case "templated_agent_path":
			in.TemplatedAgentPath = f.text(name, value)
		case "facts":
			in.Facts = map[string]any{}
			f.object(name, value, func(fact string, value ast.Value) bool {
				in.Facts[fact] = recordedPart(value)
				return true
			})
		case "facts_status":
			in.FactsStatus = map[string]string{}
			f.object(name, value, func(fact string, value ast.Value) bool {
				in.FactsStatus[fact] = f.text(name+"."+fact, value)
				return true
			})
		case "tofu":
			in.Tofu = f.tofu(value)
		default:
			return false
		}
		return true
	})
	if f.err != nil {
		return Input{}, fmt.Errorf("rego: input document: %w", f.err)
	}
	return in, nil
}

// recordedPart is nil for null, as it is in what was recorded.
func recordedPart(value ast.Value) any {
	if value == ast.NullValue {
		return nil
	}
	return Value{value}
}

func (f *fields) peer(value ast.Value) (ip netip.Addr) {
	f.object("peer", value, func(name string, value ast.Value) bool {
		if name != "ip" {
			return false
		}
		var err error
		if ip, err = netip.ParseAddr(f.text("peer.ip", value)); err != nil {
			f.fail("peer.ip", err)
		}
		return true
	})
	return ip
}

func (f *fields) tofu(value ast.Value) *Tofu {
	known := &Tofu{}
	f.object("tofu", value, func(name string, value ast.Value) bool {
		switch name {
		case "attested":
			known.Attested = f.boolean("tofu.attested", value)
		case "claimed":
			known.Claimed = f.boolean("tofu.claimed", value)
		case "first":
			known.First = f.first(value)
		default:
			return false
		}
		return true
	})
	return known
}

func (f *fields) first(value ast.Value) *First {
	first := &First{}
	f.object("tofu.first", value, func(name string, value ast.Value) bool {
		at := "tofu.first." + name
		switch name {
		case "agent_path":
			first.AgentPath = f.text(at, value)
		case "time":
			first.Time = f.time(at, value)
		case "peer_ip":
			first.PeerIP = f.text(at, value)
		case "uses":
			number, _ := value.(ast.Number)
			uses, ok := number.Int64()
			if !ok {
				f.fail(at, errors.New("is no whole number"))
			}
			first.Uses = uses
		default:
			return false
		}
		return true
	})
	return first
}

func (f *fields) text(name string, value ast.Value) string {
	text, ok := value.(ast.String)
	if !ok {
		f.fail(name, fmt.Errorf("is %s, not a string", typeName(value)))
	}
	return string(text)
}

func (f *fields) time(name string, value ast.Value) time.Time {
	t, err := time.Parse(time.RFC3339Nano, f.text(name, value))
	if err != nil {
		f.fail(name, err)
	}
	return t
}

// object has member read each member; it says whether there is one of that name.
func (f *fields) object(name string, value ast.Value, member func(name string, value ast.Value) bool) {
	o, ok := value.(ast.Object)
	if !ok {
		f.fail(name, fmt.Errorf("is %s, not an object", typeName(value)))
		return
	}
	o.Foreach(func(key, value *ast.Term) {
		inner, _ := key.Value.(ast.String)
		if !member(string(inner), value.Value) {
			f.fail(name, fmt.Errorf("unknown field %q", string(inner)))
		}
	})
}
