"""Constraints are compiled here first, in a process of its own, before the pipeline sees them.

The library compiles a constraint inside the first `step` of its request, for as long as that takes, and one that does
not compile makes every later `step` of the pipeline raise. `guard` therefore has the same library compile it against
the same tokenizer in `trial`, a child process around a network of one silent layer. What raises there, kills the child,
takes longer than its limit or longer than all other generations should wait is refused, and the pipeline never hears
of it. Verdicts are kept, refusals too.

Costs, on two cores. The process takes 130 MiB and starts with the first constraint, which waits for it: half a second
for a folder's tokenizer, ten for that of a GGUF file with 128,000 tokens; it ends after ten idle minutes. With such a
vocabulary a schema of 2 to 50 plain properties compiles in 30 to 40 ms, and takes as long again in the pipeline. Dear
is counting: a string of at most 10 characters takes 120 ms, of at most 40 about 900, of at most 400 five seconds, and
the last two are refused at the default budget. A `minLength` of 1 costs nothing.
"""
