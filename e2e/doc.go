// Package e2e holds the tests that run Gatehouse inside a real SPIRE server,
// with real agents, against clouds on loopback. It is a module of its own, so
// that Gatehouse itself does not depend on SPIRE.
//
// Start at TestAgentAttests. What the tests stand on, which the demo uses too:
//
//	spire     runs real servers and agents
//	attestors loads attestors without a server, the built-in one too
//	stage     an AWS with nodes in it, and Gatehouse configured for it
//	standin   the stand-ins for cloud services
//	moto      an emulator of AWS that others write
//	tools     a module that pins SPIRE's programs as they were released
package e2e
