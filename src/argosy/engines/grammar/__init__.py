"""Constraints compiled in a process apart, before an engine's library meets them.

A library compiles a constraint for as long as that takes, and one that does not compile may cost every other request
its answer. `guard` therefore has a child process of the engine's choice, the trial, compile it first. What raises
there, kills the child, takes longer than its limit or longer than all other generations should wait is refused, and
the library never hears of it. Verdicts are kept, refusals too.
"""
