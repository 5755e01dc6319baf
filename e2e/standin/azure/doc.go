// Package azure is a stand-in for Azure's public cloud, as far as a node's
// attestation touches it: the authority that signs and gives out tokens, Resource
// Manager, and the instance metadata service of each machine.
//
// SPIRE's built-in attestors have Azure's addresses built in. So the stand-in
// keeps them, and is reached through a proxy: programs that heed HTTPS_PROXY and
// HTTP_PROXY, as Go's do, believe to speak with Azure, over TLS that they verify
// (see Site.Certificate).
//
// Start at New. Then Serve makes a Site of the cloud, and Proxy says which part of
// it a program can reach:
//
//	cloud.go, token.go   the cloud, its machines and applications, and their tokens
//	login.go             the authority: the rest of what package entra leaves out
//	manager.go, fakes.go Resource Manager, by the fake servers of Azure's own SDK
//	graph.go             Resource Graph, with its quota and its lag
//	world.go, limit.go   what it knows, and how often it may be asked
//	metadata.go          the instance metadata service
//	site.go, proxy.go    TLS, and the way there
package azure
