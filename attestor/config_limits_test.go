package attestor

import (
	"reflect"
	"testing"
	"time"

	"github.com/spire-gatehouse/gatehouse/attestor/plugindata"
)

func TestLimits(t *testing.T) {
	for text, want := range map[string]limits{
		``:           {1024, 4096, 10 * time.Second},
		`limits { }`: {1024, 4096, 10 * time.Second},
		`limits { max_concurrent = 1 max_waiting = 0 max_wait = "1ms" }`:          {1, 0, time.Millisecond},
		`limits { max_concurrent = 100000 max_waiting = 100000 max_wait = "1m" }`: {100_000, 100_000, time.Minute},
	} {
		o := plugindata.Parse(text)
		if got := buildLimits(o); got != want || o.Problems() != nil {
			t.Errorf("%s: got %+v, %v; want %+v", text, got, o.Problems(), want)
		}
	}
}

func TestLimitsOutOfBounds(t *testing.T) {
	const (
		concurrent = "must be from 1 to 100000; the default is 1024"
		waiting    = "must be from 0 to 100000; the default is 4096"
		wait       = "must be more than 0 and at most 1m0s; the default is 10s"
	)
	for text, want := range map[string]plugindata.Problem{
		`limits { max_concurrent = 0 }`:      {Line: 1, Key: "limits.max_concurrent", Msg: concurrent},
		`limits { max_concurrent = 100001 }`: {Line: 1, Key: "limits.max_concurrent", Msg: concurrent},
		`limits { max_concurrent = 1.5 }`:    {Line: 1, Key: "limits.max_concurrent", Msg: "want a whole number"},
		`limits { max_waiting = -1 }`:        {Line: 1, Key: "limits.max_waiting", Msg: waiting},
		`limits { max_waiting = 100001 }`:    {Line: 1, Key: "limits.max_waiting", Msg: waiting},
		`limits { max_waiting = "many" }`:    {Line: 1, Key: "limits.max_waiting", Msg: "want a whole number"},
		`limits { max_wait = "0s" }`:         {Line: 1, Key: "limits.max_wait", Msg: wait},
		`limits { max_wait = "61s" }`:        {Line: 1, Key: "limits.max_wait", Msg: wait},
		`limits { max_wait = "soon" }`:       {Line: 1, Key: "limits.max_wait", Msg: `want a duration with its unit, such as "90s" or "5m"`},
	} {
		o := plugindata.Parse(text)
		buildLimits(o)
		if got := o.Problems(); !reflect.DeepEqual(got, []plugindata.Problem{want}) {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}
