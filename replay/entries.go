package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spire-gatehouse/gatehouse/rego"
)

// Entries are registration entries of a SPIRE server. They never change, and are
// safe for concurrent use. A nil Entries has none.
type Entries struct {
	all      []Entry
	byParent map[string][]int // IDs of what has them for parent
	nodeSets map[string][]int // entries of groups of nodes, by one of their selectors
	patterns map[int][]string // of the selectors of such an entry
}

// An Entry is a registration entry, as far as it matters here.
type Entry struct {
	ID        string   `json:"id"`
	SPIFFEID  string   `json:"spiffe_id"`
	ParentID  string   `json:"parent_id"`
	Selectors []string `json:"selectors"` // type:value, sorted
}

// serverPath is the parent, in SPIRE, of an entry that stands for a group of nodes:
// of all that have its selectors.
const serverPath = "/spire/server"

type entryJSON struct {
	ID       string       `json:"id"`
	SPIFFEID spiffeIDJSON `json:"spiffe_id"`
	ParentID spiffeIDJSON `json:"parent_id"`

	Selectors []struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	} `json:"selectors"`
}

type spiffeIDJSON struct {
	TrustDomain string `json:"trust_domain"`
	Path        string `json:"path"`
}

func (id spiffeIDJSON) String() string { return "spiffe://" + id.TrustDomain + id.Path }

// ReadEntries reads what "spire-server entry show -output json" prints.
func ReadEntries(r io.Reader) (*Entries, error) { return readEntries(boundEntries(r)) }

// boundEntries has one byte too many left when it is read to the bound.
func boundEntries(r io.Reader) *io.LimitedReader {
	return &io.LimitedReader{R: r, N: maxEntriesBytes + 1}
}

func readEntries(limited *io.LimitedReader) (*Entries, error) {
	var listed struct {
		Entries *[]entryJSON `json:"entries"`
	}
	decoder := json.NewDecoder(limited)
	err := decoder.Decode(&listed)
	if err == nil {
		if _, more := decoder.Token(); more != io.EOF {
			err = errors.New("something comes after it")
		}
	}
	if limited.N == 0 {
		return nil, fmt.Errorf("is longer than %d bytes", maxEntriesBytes)
	}
	if err == nil && listed.Entries == nil {
		err = errors.New("it has no entries")
	}
	if err != nil {
		return nil, fmt.Errorf("is not what spire-server entry show -output json prints: %w", err)
	}
	e := &Entries{byParent: map[string][]int{}, nodeSets: map[string][]int{}, patterns: map[int][]string{}}
	for i, listed := range *listed.Entries {
		entry := Entry{ID: listed.ID, SPIFFEID: listed.SPIFFEID.String(), ParentID: listed.ParentID.String(), Selectors: []string{}}
		if entry.ID == "" || listed.ParentID.Path == "" {
			return nil, fmt.Errorf("entry %d has no id or no parent_id: this is not what spire-server entry show -output json prints", i)
		}
		var values []string
		for _, s := range listed.Selectors {
			entry.Selectors = append(entry.Selectors, s.Type+":"+s.Value)
			values = append(values, s.Value)
		}
		slices.Sort(entry.Selectors)
		e.all = append(e.all, entry)
		if listed.ParentID.Path == serverPath && len(entry.Selectors) > 0 {
			e.nodeSets[entry.Selectors[0]] = append(e.nodeSets[entry.Selectors[0]], i)
			e.patterns[i] = selectorPatterns(values)
		} else {
			e.byParent[entry.ParentID] = append(e.byParent[entry.ParentID], i)
		}
	}
	return e, nil
}

// entryHit is that a node comes to an entry, or is lost to it.
type entryHit struct {
	entry  int
	id     string
	gained bool
	let    bool // the node is let in, before and after

	patterns []string // of its selectors; nil if the node is its parent
}

// by reports whether it comes of what a group of changes has in common.
func (e entryHit) by(h hit) bool {
	switch h.class {
	case AgentIDChanged:
		return e.patterns == nil
	case NewlyDenied, NoAnswer:
		return !e.gained
	case NewlyAllowed:
		return e.gained
	case SelectorsLost, SelectorsGained:
		return e.gained == (h.class == SelectorsGained) && slices.Contains(e.patterns, h.group)
	}
	return false
}

// affected finds the entries for which a changed decision matters.
func (e *Entries) affected(in rego.Input, old, now *Answer) []entryHit {
	if e == nil || old.Outcome == Unknown || now.Outcome == Unknown {
		return nil
	}
	before, after := e.of(in, old), e.of(in, now)
	let := old.Outcome == Allowed && now.Outcome == Allowed
	var hits []entryHit
	for _, i := range e.alone(before, after) {
		hits = append(hits, entryHit{entry: i, id: e.all[i].ID, let: let, patterns: e.patterns[i]})
	}
	for _, i := range e.alone(after, before) {
		hits = append(hits, entryHit{entry: i, id: e.all[i].ID, gained: true, let: let, patterns: e.patterns[i]})
	}
	return hits
}

// alone are the entries in some that others do not have. Of a group of nodes, for which
// several entries can stand, it is enough that others have one.
func (e *Entries) alone(some, others []int) []int {
	return slices.DeleteFunc(slices.Clone(some), func(i int) bool {
		return slices.ContainsFunc(others, func(j int) bool {
			return i == j || e.patterns[i] != nil && e.patterns[j] != nil && e.all[i].SPIFFEID == e.all[j].SPIFFEID
		})
	})
}

// of lists the entries that a node has when it is let in.
func (e *Entries) of(in rego.Input, a *Answer) []int {
	if a.Outcome != Allowed {
		return nil
	}
	found := slices.Clone(e.byParent["spiffe://"+in.TrustDomain+a.AgentPath])
	has := make(map[string]bool, len(a.Selectors))
	for _, s := range a.Selectors {
		has[in.Plugin+":"+s] = true
	}
	for s := range has {
		for _, i := range e.nodeSets[s] {
			all := !slices.ContainsFunc(e.all[i].Selectors, func(wanted string) bool { return !has[wanted] })
			if all && e.all[i].ParentID == "spiffe://"+in.TrustDomain+serverPath {
				found = append(found, i)
			}
		}
	}
	slices.Sort(found)
	return found
}

// below counts the entries that have this one for an ancestor.
func (e *Entries) below(i int) int {
	seen := map[string]bool{}
	count := 0
	todo := []string{e.all[i].SPIFFEID}
	for len(todo) > 0 {
		parent := todo[0]
		todo = todo[1:]
		if seen[parent] {
			continue
		}
		seen[parent] = true
		for _, child := range e.byParent[parent] {
			count++
			todo = append(todo, e.all[child].SPIFFEID)
		}
	}
	return count
}
