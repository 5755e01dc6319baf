// Package awsiid verifies AWS instance identity documents as SPIRE's aws_iid
// agent plugin sends them, and gathers what EC2 says about the instance.
//
// Start with [New] and read [Collector.Verify]: its comment lists the checks in
// their order. The files follow the way of a payload:
//
//	limits.go        all bounds, in one place
//	collector.go     what a collector is made of
//	payload.go       what the agent sends
//	document.go      AWS's document: fields, formats, consistency
//	region.go        regions, zones, partitions
//	names.go         accounts, roles, clusters
//	ber.go           PKCS#7's outer encoding, made DER before any library sees it
//	envelope.go      the one shape of PKCS#7 message that AWS makes
//	signature.go     the signature, against the region's pinned certificate
//	certificates.go  the pinned certificates, embedded and an operator's
//	verify.go        all of these in order, and the evidence that comes out
//	claims.go        the document as policy sees it
//	gather.go        facts asked for by name
//	facts.go         the facts as policy sees them
//	instance.go      instance: asked for together with others
//	describe.go      EC2's answer about many, checked
//	profile.go       instance_profile
//	organization.go  organization: from Organizations or, accountlist.go, a file
//	eks.go           eks, from what cluster.go lists of one cluster, in turns.go's turns
//	convert*.go      AWS's structures, in which anything may be nil, made facts
//	readfile.go      an operator's files, bounded
//	pages.go         lists that come in pages, many calls at once
//	clients.go       what of AWS is called
//	session.go       clients of the AWS SDK, one set for each scope
//	roles.go         whose credentials they have
//	calls.go         retries, and the report of each call
//	attempts.go      why a call that ran out of time was retried
//
// # What this evidence does not prove
//
// A document says which instance it was made for, not who sends it: it has no
// nonce and no audience, any process on the instance can read it, and it stays
// valid for ever. Trust on first use, and policy on the instance's state and
// age, have to make up for that.
//
// Tags, roles and security groups are not in it. They are facts, as fresh and as
// true as EC2's answer.
//
// Only managed node groups make a node one of an EKS cluster: self-managed nodes
// and Karpenter's are in none.
//
// RSA-1024 signatures are within reach of a rich attacker, and AWS uses one such
// key in 17 regions. [Claims] says which kind was used, for policy to judge.
//
// Certificates are pinned keys: their validity period is looked at only where
// a message says when it was signed, in PKCS#7.
package awsiid
