"""Libraries that live in a child process of their own, the worker, and what becomes of answers when it ends.

`supervisor` keeps a worker alive and routes its tokens to the answers that wait for them; `link` is the process and the
line to it; `messages` are the words that every worker and its engine have in common. What a worker loads and how it is
asked to continue a prompt is the engine's own business: it brings these messages and a `WorkerProgram`.
"""
