package spire

import (
	"os"
	"strings"
)

// environment is this process's without whatever would lead SPIRE's AWS SDK to
// the real AWS, and with what the caller adds.
func environment(extra []string) []string {
	var env []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "AWS_") {
			env = append(env, variable)
		}
	}
	return append(append(env,
		"AWS_CONFIG_FILE="+os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE="+os.DevNull,
		"NO_PROXY=127.0.0.1,localhost", "no_proxy=127.0.0.1,localhost",
	), extra...)
}
