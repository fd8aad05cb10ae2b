"""Language models with vLLM (V1): continuous batching, paged KV cache, prefix cache, chunked prefill, parallelism.

Layout. `engine` is what the host holds: it checks files and requests. `running` owns the thread with the event loop
that `AsyncLLM` lives on, and starts it again when EngineCore dies; `answers` has a task for each answer. `library`
alone speaks to vLLM; `options`, `arguments` and `sampling` say its words without importing it. `trial` compiles
constraints first, as `argosy.engines.grammar` tells. `plugin` runs in each of vLLM's processes.

What was seen with vLLM 0.32:

* Text is ours: vLLM is asked for token ids only, one step's at a time (`RequestOutputKind.DELTA`).
* `stop_token_ids` end an answer even with `ignore_eos`, so they are left out there. vLLM also stops at the end token
  of the checkpoint's tokenizer, whatever the entry says.
* Without a request's seed it draws from one generator, whose own seed is 0 by default: every start would repeat the
  same answers. The engine's seed is drawn at each start.
* With structured outputs on "auto" the first constraint's compiler is taken for all later ones; it is xgrammar here.
* An adapter is read with its first request, and again after it was evicted; here it is loaded at the start and pinned.
* When its last generation is aborted, EngineCore says nothing more: the gauges stay what they were and are not believed
  while nothing is under way.
* On a SIGTERM it takes five seconds and more to end. Its rings of shared memory are removed by nobody when it is
  killed; `rings` removes their names as soon as all have attached, of which their makers complain at the end.
* Options come as environment variables too, some of which it sets itself: `surroundings` puts all of them back.
* The process that spawns EngineCore must be importable without effect (`__main__` guard). Triton's stub has no main
  module, and its interpreter's isolation is handed on, which does no harm.
"""
