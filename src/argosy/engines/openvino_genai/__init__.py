"""Language models on CPUs with OpenVINO GenAI: continuous batching, paged KV cache, prefix cache.

Layout. `engine` is what the host holds: it checks and tokenises requests and turns tokens into chunks. The
pipeline itself lives in a child process, `worker`; the two talk through `channel` in the words of `messages`.

Why a child process: `ContinuousBatchingPipeline.step()` keeps Python's global lock for the whole forward pass
(2026.4). In one process nothing else of it would move meanwhile: no request could be read, checked, refused or
cancelled, no chunk sent. With the child, sending an answer's chunk overlaps with computing the next one, and a
crash inside the library costs the requests in flight, not the host.

What this engine cannot do, and why:

* `top_logprobs`: the library returns the chosen token's log-probability only, whatever number is asked for.
* LoRA adapters per request: `add_request` ignores `adapters` silently (only `generate` applies them, one set for
  the whole step). Mixed traffic needs a pipeline per adapter, and adapters must not share a prefix cache.
* The library takes more tokens than the model has positions for; `sampling.resolve` enforces the length.
* A prefix-cache hit ratio: `PipelineMetrics` has none.
* An invalid schema or grammar is not refused by `add_request`; every later `step` raises, for all requests.
  Structured output therefore enters at `messages.Settings`, which becomes a `GenerationConfig` in one place
  (`pipeline.generation_config`), after the grammar has been compiled apart. Should a `step` raise all the same,
  `worker` fails what is in flight, builds the pipeline anew and goes on.
* Stop texts are matched by us, on text, so that the library's tokenizer is not needed and a match across chunks
  is exact; one or two tokens more than needed may be computed.
* The same answer whatever shares the batch, to the letter, is kept in f32 only. Each request has a generator of its
  own, so a seed reproduces an answer; but in bf16 the sums in a matrix product depend on the batch's size in their
  last bits, and where two tokens are nearly as likely a choice may turn on them. With random weights, the worst case,
  44 of 48 answers of 32 tokens were the same alone and among eight, greedy and sampled alike; in f32 all 48.

Precision. bf16 is what the library takes by default where the processor has it, and the fastest; elsewhere it falls
back to f32 with activations and cache rounded to 8 bits. Asked for, f32 is f32 throughout: with 8-bit weights at about
half the speed, and with a cache that holds a quarter of the tokens (`kv_cache_precision` changes that).
"""
