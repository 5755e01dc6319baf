package rego

import (
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	oparego "github.com/open-policy-agent/opa/v1/rego"
)

func TestPanicIsAnError(t *testing.T) {
	var unprepared query
	_, err := unprepared.evaluate(t.Context(), ast.NewObject(), time.Now())
	if err == nil || !strings.Contains(err.Error(), "panic: ") {
		t.Errorf("got %v", err)
	}
}

func TestSingle(t *testing.T) {
	one := oparego.Result{Expressions: []*oparego.ExpressionValue{{Value: ast.Boolean(true)}}}
	tests := map[string]struct {
		results oparego.ResultSet
		want    string
	}{
		"undefined":       {nil, "is undefined"},
		"two results":     {oparego.ResultSet{one, one}, "has several results"},
		"no expression":   {oparego.ResultSet{{}}, "has several results"},
		"two expressions": {oparego.ResultSet{{Expressions: append(one.Expressions, one.Expressions...)}}, "has several results"},
		"no value":        {oparego.ResultSet{{Expressions: []*oparego.ExpressionValue{{Value: true}}}}, "has no value"},
	}
	for name, tt := range tests {
		if _, err := single(tt.results); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
	if value, err := single(oparego.ResultSet{one}); err != nil || value != ast.Boolean(true) {
		t.Errorf("got %v, %v", value, err)
	}
}
