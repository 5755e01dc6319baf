package attestor

import "log/slog"

// secret is a text that no log, error or dump shows. It is held by pointer, since
// fmt shows what unexported fields hold, but of nested pointers only the address.
type secret struct{ value *string }

// newSecret hides a text. An empty one is no secret at all: secret{}.
func newSecret(text string) secret {
	if text == "" {
		return secret{}
	}
	return secret{&text}
}

// reveal returns the text, for the call that needs it.
func (s secret) reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

const redacted = "[redacted]"

func (s secret) String() string {
	if s.value == nil {
		return ""
	}
	return redacted
}

func (s secret) GoString() string             { return "secret(" + s.String() + ")" }
func (s secret) LogValue() slog.Value         { return slog.StringValue(s.String()) }
func (s secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
