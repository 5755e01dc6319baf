package rego

import (
	"strconv"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Names remembers what the members of objects are called, which is the same in all
// documents of a kind: who reads many makes each name once. The zero value is ready
// for use, by one goroutine at a time.
type Names struct{ known map[string]*ast.Term }

// term is the name as OPA has it.
func (n *Names) term(name []byte) (*ast.Term, error) {
	if known := n.known[string(name)]; known != nil {
		return known, nil
	}
	value, err := stringValue(string(name))
	if err != nil {
		return nil, at(strconv.Quote(string(name)), err)
	}
	term := ast.NewTerm(value)
	// Tags have names too, and those are their owner's.
	if len(n.known) < maxKnownNames && len(name) <= maxNameBytes {
		if n.known == nil {
			n.known = map[string]*ast.Term{}
		}
		n.known[string(name)] = term
	}
	return term, nil
}
