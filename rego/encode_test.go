package rego

import (
	"encoding/json"
	"math"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
)

// viaJSON is what the encoder must equal: JSON text, parsed.
func viaJSON(t testing.TB, v any) ast.Value {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var parsed any
	if err := util.UnmarshalJSON(text, &parsed); err != nil {
		t.Fatal(err)
	}
	value, err := ast.InterfaceToValue(parsed)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func checkSame(t testing.TB, e *encoder, v any) {
	t.Helper()
	got, err := e.encode(v)
	if err != nil {
		t.Fatalf("%+v: %v", v, err)
	}
	want := viaJSON(t, v)
	if got.Compare(want) != 0 || got.Hash() != want.Hash() || got.String() != want.String() {
		t.Errorf("%+v\n got %s\nwant %s", v, got, want)
	}
}

type kind8 string

type leaf struct {
	Name  string     `json:"name"`
	When  time.Time  `json:"when"`
	Maybe *time.Time `json:"maybe,omitempty"`
	Zero  time.Time  `json:"zero,omitzero"`
}

// everything has a field of every sort that collectors may use.
type everything struct {
	Text      string            `json:"text"`
	Kind      kind8             `json:"kind,omitempty"`
	Flag      bool              `json:"flag"`
	OmitFlag  bool              `json:"omit_flag,omitempty"`
	Int       int               `json:"int"`
	Int64     int64             `json:"int64,omitzero"`
	Small     int8              `json:"small,omitempty"`
	Uint      uint64            `json:"uint"`
	Float     float64           `json:"float"`
	Float32   float32           `json:"float32"`
	List      []string          `json:"list"`
	OmitList  []string          `json:"omit_list,omitempty"`
	ZeroList  []int             `json:"zero_list,omitzero"`
	Map       map[string]string `json:"map"`
	OmitMap   map[kind8]int     `json:"omit_map,omitempty"`
	Leaf      leaf              `json:"leaf"`
	OmitLeaf  leaf              `json:"omit_leaf,omitempty"`
	ZeroLeaf  leaf              `json:"zero_leaf,omitzero"`
	Pointer   *leaf             `json:"pointer"`
	OmitPtr   *leaf             `json:"omit_ptr,omitempty"`
	Leaves    []leaf            `json:"leaves"`
	Any       any               `json:"any"`
	OmitAny   any               `json:"omit_any,omitempty"`
	Untagged  string
	OnlyOpts  string `json:",omitempty"`
	Skipped   string `json:"-"`
	unexposed string
}

func TestEncodeEqualsJSON(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	full := everything{
		Text: "a<b>&\u2028\"\\\n日本", Kind: "k", Flag: true, OmitFlag: true,
		Int: -7, Int64: math.MinInt64, Small: -128, Uint: math.MaxUint64, Float: 1e21, Float32: 0.1,
		List: []string{"a", ""}, OmitList: []string{"x"}, ZeroList: []int{},
		Map: map[string]string{"": "", "a:b": "c"}, OmitMap: map[kind8]int{"x": 1},
		Leaf: leaf{Name: "l", When: when, Maybe: &when}, OmitLeaf: leaf{}, ZeroLeaf: leaf{Name: "z"},
		Pointer: &leaf{When: when}, OmitPtr: &leaf{}, Leaves: []leaf{{Name: "1"}, {Name: "2"}},
		Any: map[string]any{"x": []any{1, "2", nil, true, 2.5}}, OmitAny: 0,
		Untagged: "u", OnlyOpts: "o", Skipped: "s", unexposed: "e",
	}
	e := &encoder{}
	for name, v := range map[string]any{
		"zero": everything{}, "full": full, "pointer": &full, "nil": nil, "nil pointer": (*leaf)(nil),
		"text": "x", "empty list": []string{}, "nil list": []string(nil), "empty map": map[string]int{}, "nil map": map[string]int(nil),
		"input": Input{Plugin: "p", TrustDomain: "td", Time: when, PeerIP: netip.MustParseAddr("::ffff:10.0.0.1"), Evidence: full,
			Facts: map[string]any{"a": &full}, FactsStatus: map[string]string{}, Tofu: &Tofu{Claimed: true}}.document(),
		"bare input": Input{Evidence: leaf{}}.document(),
		"floats":     []float64{0, -0.5, 1e-7, 1e20, 123456789.125, math.MaxFloat64, math.SmallestNonzeroFloat64},
	} {
		t.Run(name, func(t *testing.T) { checkSame(t, e, v) })
	}
}

func TestEncodeRefuses(t *testing.T) {
	type embedded struct {
		leaf
	}
	type twice struct {
		X string
		Y string `json:"X"`
	}
	type quoted struct {
		N int `json:"n,string"`
	}
	type loop struct {
		Next *loop `json:"next"`
	}
	endless := &loop{}
	endless.Next = endless
	for name, tt := range map[string]struct {
		value any
		want  string
	}{
		"bytes":          {map[string]any{"a": []byte("x")}, "a: policy can't be given bytes"},
		"channel":        {[]any{make(chan int)}, "0: policy can't be given a chan int"},
		"function":       {func() {}, "policy can't be given a func()"},
		"array":          {[2]int{}, "policy can't be given a [2]int"},
		"complex":        {complex(1, 2), "policy can't be given a complex128"},
		"integer keys":   {map[int]string{1: "x"}, "policy can't be given a map[int]string"},
		"own JSON":       {json.RawMessage(`{"a":1}`), "policy can't be given bytes"},
		"own text":       {netip.MustParseAddr("10.0.0.1"), "policy can't be given a netip.Addr: it writes its own JSON"},
		"embedded":       {embedded{}, "field leaf: embedded fields are not supported"},
		"same name":      {twice{}, `rego.twice has two fields named "X"`},
		"string option":  {quoted{}, `field N: JSON option "string" is not supported`},
		"not a number":   {math.NaN(), "NaN is no number of JSON"},
		"infinite":       {[]float64{math.Inf(1)}, "0: +Inf is no number of JSON"},
		"bad text":       {leaf{Name: "a\xff"}, "name: is not valid UTF-8"},
		"bad key":        {map[string]int{"a\xff": 1}, `"a\xff": is not valid UTF-8`},
		"year 10000":     {leaf{When: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}, "when: year 10000 can't be written in RFC 3339"},
		"endless":        {endless, "nested deeper than 32"},
		"deep in a list": {everything{Leaves: []leaf{{}, {Name: "\xff"}}}, "leaves.1.name: is not valid UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			value, err := (&encoder{}).encode(tt.value)
			if err == nil || !strings.HasSuffix(err.Error(), tt.want) {
				t.Errorf("got %v, %v, want %s", value, err, tt.want)
			}
		})
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("text", "key", int64(1), uint64(1), 0.5, true, int64(1), uint8(3))
	f.Add("", "", int64(math.MinInt64), uint64(math.MaxUint64), -1e-300, false, int64(-62135596800), uint8(0))
	e := &encoder{}
	f.Fuzz(func(t *testing.T, text, key string, i int64, u uint64, x float64, flag bool, seconds int64, n uint8) {
		when := time.Unix(seconds%253402300799, int64(u%1e9)).UTC()
		v := everything{
			Text: text, Kind: kind8(key), Flag: flag, OmitFlag: flag, Int: int(i), Int64: i, Small: int8(i), Uint: u, Float: x, Float32: float32(i),
			Map: map[string]string{key: text, text: key}, Leaf: leaf{When: when, Zero: when}, Any: map[string]any{key: []any{text, i, flag, nil}},
		}
		for j := range n % 8 {
			v.List = append(v.List, text)
			v.Leaves = append(v.Leaves, leaf{Name: key, When: when.Add(time.Duration(j))})
		}
		got, err := e.encode(v)
		if err != nil {
			if _, jsonErr := json.Marshal(v); jsonErr == nil && utf8.ValidString(text) && utf8.ValidString(key) {
				t.Fatalf("refused: %v", err)
			}
			return
		}
		if want := viaJSON(t, v); got.Compare(want) != 0 || got.Hash() != want.Hash() {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// The cache of plans holds types, not values.
func TestPlansAreCached(t *testing.T) {
	e := &encoder{}
	first, err := e.plan(reflect.TypeFor[leaf]())
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := e.plan(reflect.TypeFor[leaf]()); first != second {
		t.Error("planned twice")
	}
}

func BenchmarkEncode(b *testing.B) {
	tags := map[string]string{}
	for i := range 20 {
		tags["team:tag-"+strconv.Itoa(i)] = "value-" + strconv.Itoa(i)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	in := Input{
		Plugin: "aws_iid", TrustDomain: "example.org", Time: now,
		Evidence: leaf{Name: "document", When: now},
		Facts:    map[string]any{"instance": everything{Text: "i-1", Map: tags, Leaves: []leaf{{Name: "a", When: now}, {Name: "b", When: now}}}},
		Tofu:     &Tofu{},
	}
	e := &encoder{}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.encode(in.document()); err != nil {
			b.Fatal(err)
		}
	}
}
