// Package bench puts Gatehouse beside SPIRE's built-in attestors: both loaded as
// SPIRE loads them, before the same stand-in of a cloud, with the same evidence and
// under the same rule for who comes again. docs/benchmarks.md has its report.
//
// A [Job] is one measurement. [Job.Run] does it in this process, and is all that
// tests need; [Job.Spawn] does it in one of its own, where the time of its
// processor and its memory can be told from those of the stand-in. [AWS] and
// [Azure] are the clouds, [Suite] is what make bench runs.
package bench
