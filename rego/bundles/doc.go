// Package bundles gets policy as OPA's bundles: from HTTP services, OCI registries
// and files, polled, verified and persisted by OPA's own plugin manager and bundle
// plugin, in OPA's own terms of configuration.
//
// Start at New. What OPA would put into its store, a Source offers to its owner as
// files: activate.go. If the owner refuses them OPA holds the bundle for one that
// could not be activated. So its ETag is not kept, and it is not persisted: what
// is on disk is what was taken last.
//
// OPA bounds single files of a bundle, but not how many there are; transport.go
// does. OPA's errors may repeat what a URL or a header holds; package opasecret takes
// the configured secrets out.
package bundles
