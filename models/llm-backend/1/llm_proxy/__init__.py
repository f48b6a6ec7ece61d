"""Proxy from Triton requests to an OpenAI-compatible chat completion API.

One subject per module: `settings` (tunables and environment), `errors` (stable codes), `api_key` (key
file), `upstream` (one HTTP attempt), `retry` (which attempts follow), `breaker`, `slots` (bounded
concurrency), `conversations` (history), `service` (a request's rows through all of these), `metrics`,
`tensors` (Triton requests and responses) and `runner` (threads). Only `tensors`, `runner` and the exporter
in `metrics` are handed objects of Triton's `triton_python_backend_utils`; the rest runs, and is tested,
without a server.

Streaming is not offered: Triton refuses a decoupled model on HTTP `/infer` and unary gRPC, which are how
this model is called. An answer is returned whole.
"""
