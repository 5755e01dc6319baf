// Package batch shares calls among those who ask at about the same time: a
// thousand nodes that boot together cost a handful of calls.
//
// The first to ask is answered by a call of its own, at once. Those who come
// while that call is under way wait for the next, and share it. So no timer ever
// delays who comes alone. Only while calls are shared anyway, they keep a distance
// (Options.Pace), so that each is shared by many.
//
// An answer is never kept: who asks after a call began is answered by a later one.
// Keeping answers is what package cache is for.
//
// Start at [Batcher.Get]. queue.go says when a call begins, call.go what becomes of
// its answer, and of the rest where one of the IDs fails it.
package batch
