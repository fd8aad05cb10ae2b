"""The trial process in which this library compiles a constraint first; `argosy.engines.grammar` tells why.

The library compiles a constraint inside the first `step` of its request, for as long as that takes, and one that does
not compile makes every later `step` of the pipeline raise. `trial` therefore runs the same library against the same
tokenizer around a network of one silent layer.

Costs, on two cores. The process takes 130 MiB and starts with the first constraint, which waits for it: half a second
for a folder's tokenizer, ten for that of a GGUF file with 128,000 tokens; it ends after ten idle minutes. With such a
vocabulary a schema of 2 to 50 plain properties compiles in 30 to 40 ms, and takes as long again in the pipeline. Dear
is counting: a string of at most 10 characters takes 120 ms, of at most 40 about 900, of at most 400 five seconds, and
the last two are refused at the default budget. A `minLength` of 1 costs nothing.
"""
