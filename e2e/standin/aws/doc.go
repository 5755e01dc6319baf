// Package aws is a stand-in for the AWS APIs: one HTTP endpoint, for
// AWS_ENDPOINT_URL, before a World of accounts.
//
// It is strict where the real APIs are: a request must carry a valid version 4
// signature by a key that the World knows, name a known action of a known API
// version, and use known parameters only. Errors have the codes and the shapes
// that AWS gives them.
//
// Start at NewWorld, then New; standin.Listen serves the result. Each service
// has a file of its own (ec2.go, sts.go); to add one, write its actions and
// list it in services.
//
// Not modelled: filters beyond those in ec2_filter.go, IAM policies beyond the
// list of actions a Role allows, and API rates (see Fault for throttling).
package aws
