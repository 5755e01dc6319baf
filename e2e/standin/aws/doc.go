// Package aws is a stand-in for the AWS APIs: one HTTP endpoint, for
// AWS_ENDPOINT_URL, before a World of accounts.
//
// It is strict where the real APIs are: a request must carry a valid version 4
// signature by a key that the World knows, name a known action of a known API
// version, and use known parameters only. Errors have the codes and the shapes
// that AWS gives them.
//
// Start at NewWorld, then New; standin.Listen serves the result. Each service
// has a file of its own (ec2.go, sts.go and so on), with what exists behind it;
// to add one, write its actions and list it in New. The protocols are query.go,
// json.go and rest.go.
//
// Not modelled: filters beyond those in ec2_filter.go, IAM policies beyond the
// list of actions a Role allows, API rates other than those of Server.Limit, and that
// global services (IAM, Organizations) want requests signed for their home
// region: the SDKs don't do so for an endpoint of the user's own.
package aws
