"""Language models on CPUs with OpenVINO GenAI: continuous batching, paged KV cache, prefix cache.

Layout. `engine` is what the host holds: it checks and tokenises requests and turns tokens into chunks. The
pipeline itself lives in a child process, `worker`; the two talk in the words of `messages`.
Constraints are compiled first by another child process, of which `grammar` tells.

Why a child process: `ContinuousBatchingPipeline.step()` keeps Python's global lock for the whole forward pass
(2026.4). In one process nothing else of it would move meanwhile: no request could be read, checked, refused or
cancelled, no chunk sent. With the child, sending an answer's chunk overlaps with computing the next one, and a
crash inside the library costs the requests in flight, not the host.

What it can do beside the plain (`features`):

* Log-probabilities of the tokens it chose: those of the model itself, before penalties, temperature, truncation and
  constraint (tried: the first token's is the same at temperatures 0, 0.3, 1 and 3).
* Answers held to a JSON schema, a pattern, a grammar or a structural tag. The library (xgrammar 0.1.31 inside) accepts
  any text for one and compiles it within the request's first `step`: everybody waits, and if it does not compile every
  later `step` raises, for all requests. So `text.constraints` refuses what can be seen to be wrong and says the rest in
  words that the compiler gets right; `argosy.engines.grammar` has it compiled apart, and refuses it where that fails,
  takes more than 2 s or more than the deployment's `grammar_budget_ms`. Should a `step` raise all the same, `worker`
  fails what is in flight, builds the pipeline anew and goes on. Only a model with a tokenizer of the library's can do
  this: a GGUF file, or a folder with `openvino_tokenizer.xml`.
* Compiled constraints are never dropped by the library. When they hold too much memory (256 MiB, measured by the guard)
  the pipeline is built anew as soon as nothing runs; until then new requests wait.
* A schema allows any white space between its parts. More than 128 blanks in a row there end an answer with "length".
  A stop text ends a constrained answer wherever it is, and `min_tokens` and `ignore_eos` are refused beside a
  constraint: where only the end is allowed the library would write noise instead.
* One LoRA adapter, chosen by the model's entry and applied to the network when it is loaded: `adapter`. `alpha` is the
  plain factor of B·A to the library, so lora_alpha / rank is given. The mode is static, which adds B·A·x beside W·x
  (tried: equal to a network with W + B·A to four digits; fused, the sum is rounded to the weights' 16 bits).

What it cannot do, and why:

* `top_logprobs`: the library returns the chosen token's log-probability only, whatever number is asked for.
* `logit_bias`: the library has no such thing.
* LoRA adapters per request: `add_request` ignores `adapters` silently (only `generate` applies them, one set for
  the whole step). Mixed traffic needs a pipeline per adapter, and adapters must not share a prefix cache.
* The library takes more tokens than the model has positions for; `sampling.resolve` enforces the length.
* A prefix-cache hit ratio: `PipelineMetrics` has none.
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
