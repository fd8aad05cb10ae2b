"""Language models on NVIDIA GPUs with TensorRT-LLM: the PyTorch backend of its LLM API, which loads checkpoints.

**Not run by us.** Written for TensorRT-LLM 1.2 (1.2.1, the newest stable release), against its documentation and the
source of its repository, without a GPU. What can be checked without one is: the words for the library (`arguments`,
`sampling`, `pieces`), the files and the machine (`requirements`), and the code around the worker, which the OpenVINO
GenAI engine runs for real (`argosy.engines.workers`).

Layout. `engine` is what the host holds: it checks and tokenises requests and turns tokens into chunks. The library
lives in a child process, `worker`; `library` alone speaks to it. Constraints are compiled first by another child.

Why a child process. TensorRT-LLM pins fastapi below 0.122 and, by transformers, huggingface-hub below 1, so it cannot
be installed beside Argosy: the worker's interpreter is that of an environment of its own (parameter `worker_python`).
And in 1.2 a dead executor leaves its callers waiting for ever (NVIDIA/TensorRT-LLM issue 10663), where a process can be
ended and started again. A worker that brings nothing for `stall_timeout_s` seconds, while answers are under way, ends
itself.

Why `TRTLLMSampler`. The default sampler of 1.2, TorchSampler, takes the three penalties, `min_p` and `seed` and ignores
them without a word (pull requests 16485, 16590 and 17172 bring them to 1.3). The other one has them; 1.3 removes it. So
1.2 it is, and other releases are refused. What it costs: it tells the log-probability of the chosen token only, after
penalties and temperature, and its presence and frequency penalties count the tokens of the prompt too.
"""
