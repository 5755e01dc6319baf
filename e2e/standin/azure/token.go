package azure

import (
	"strings"
	"time"

	"github.com/spire-gatehouse/gatehouse/internal/testauthority/entra"
)

// grant says what a token that was given out is good for.
type grant struct{ caller, audience string }

// Token signs a token for a machine, as its metadata service would give it, with
// the present key.
func (c *Cloud) Token(m entra.Machine) entra.Token {
	return c.Authority.Issue(c.Key(), m, time.Now())
}

// grant signs a token, and remembers who has it: Resource Manager takes it, if it
// is for that.
func (c *Cloud) grant(caller, audience string, token entra.Token) string {
	text := token.Sign()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.granted[text] = grant{caller: caller, audience: audience}
	return text
}

// caller is whom Resource Manager gave leave to ask, "" if nobody.
func (c *Cloud) caller(authorization string) string {
	token, ok := strings.CutPrefix(authorization, "Bearer ")
	c.mu.Lock()
	defer c.mu.Unlock()
	granted := c.granted[token]
	if !ok || !isManager(granted.audience) {
		return ""
	}
	return granted.caller
}

// isManager says whether an audience is Resource Manager's. The older one of its
// two is what Azure's SDK asks for.
func isManager(audience string) bool {
	switch strings.TrimRight(audience, "/") {
	case "https://" + ManagerHost, "https://management.core.windows.net":
		return true
	}
	return false
}
