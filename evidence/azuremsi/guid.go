package azuremsi

import (
	"fmt"
	"strings"
)

// parseGUID returns a GUID in its one canonical form, which is lower-case. It
// takes 8-4-4-4-12 hexadecimal digits, and no braces or other forms.
func parseGUID(s string) (string, error) {
	if len(s) != 36 {
		return "", fmt.Errorf("%.64q is not a GUID", s)
	}
	for i, c := range []byte(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		if dash != (c == '-') || !dash && !hex {
			return "", fmt.Errorf("%.64q is not a GUID", s)
		}
	}
	return strings.ToLower(s), nil
}
