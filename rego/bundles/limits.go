package bundles

import "time"

// maxBodyTime is how long a service may take for the body of an answer. How large
// that may be is the policy source's business: rego.MaxPolicyBytes and the others.
const maxBodyTime = 2 * time.Minute
