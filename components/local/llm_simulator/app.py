"""The simulator's HTTP application.

Besides `POST /v1/chat/completions` and `GET /healthz` it has a control API for tests:

- `POST /_faults`: replace the fault rules (a JSON list, see `faults.Rule`); `[]` removes them.
- `POST /_release`: answer the calls that a `hold` rule holds.
- `GET /_calls`: the calls received so far and how each ended; `DELETE /_calls` forgets them.
- `GET /_held`: how many calls are held at the moment.

Keys are never kept: a call is recorded with the SHA-256 of the one it came with.
"""

import asyncio
import hashlib
import itertools
import json
from collections import deque
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from .faults import Rule, parse_rules, take

KEPT_CALLS = 10_000
# A fixed date keeps answers reproducible.
CREATED = 1_700_000_000


@dataclass
class Call:
    """A call received. `outcome`: `running`, an HTTP status, `reset`, or `abandoned` by the client."""

    model: str | None
    messages: list[dict[str, Any]]
    max_tokens: int | None
    temperature: float | None
    key_sha256: str | None
    outcome: str = "running"


@dataclass
class _State:
    latency: float
    api_key_file: Path | None
    rules: list[Rule] = field(default_factory=list)
    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=KEPT_CALLS))
    released: asyncio.Event = field(default_factory=asyncio.Event)
    held: int = 0
    ids: itertools.count = field(default_factory=lambda: itertools.count(1))


_STATE = web.AppKey("state", _State)


def create_app(*, latency: float = 0.0, api_key_file: Path | None = None) -> web.Application:
    """The application.

    Args:
        latency: seconds before each answer.
        api_key_file: file whose content is the key to demand, read at each call; None accepts any key or
            none.
    """
    app = web.Application(client_max_size=16 * 1024 * 1024)
    app[_STATE] = _State(latency, api_key_file)
    app.add_routes(
        [
            web.post("/v1/chat/completions", _complete),
            web.get("/healthz", _healthz),
            web.post("/_faults", _set_faults),
            web.post("/_release", _release),
            web.get("/_calls", _get_calls),
            web.delete("/_calls", _forget_calls),
            web.get("/_held", _get_held),
        ]
    )
    return app


async def _complete(request: web.Request) -> web.StreamResponse:
    state = request.app[_STATE]
    try:
        body = await request.json()
        messages = body["messages"]
        prompt = next(m["content"] for m in reversed(messages) if m["role"] == "user")
        max_tokens = body.get("max_tokens")
        if not isinstance(prompt, str) or not (
            max_tokens is None or (type(max_tokens) is int and max_tokens > 0)
        ):
            raise ValueError
    except (ValueError, LookupError, TypeError, StopIteration):
        return _error(400, "expected model, messages with a user's message, and a positive max_tokens")
    key = request.headers.get("Authorization", "").removeprefix("Bearer ")
    call = Call(
        body.get("model"), messages, max_tokens, body.get("temperature"), _digest(key) if key else None
    )
    state.calls.append(call)
    try:
        response = await _respond(request, state, call, prompt, key)
    except asyncio.CancelledError:
        call.outcome = "abandoned"
        raise
    if call.outcome == "running":
        call.outcome = str(response.status)
    return response


async def _respond(
    request: web.Request, state: _State, call: Call, prompt: str, key: str
) -> web.StreamResponse:
    if state.api_key_file is not None and key != state.api_key_file.read_text().strip():
        return _error(401, "invalid API key")
    rule = take(state.rules, prompt)
    if rule is None:
        if state.latency:
            await asyncio.sleep(state.latency)
        return _completion(state, call, prompt)
    match rule.action:
        case "status":
            return _error(rule.status, rule.message.replace("{key}", key), rule.headers)
        case "malformed":
            return web.Response(text='{"choices": [{"message": {"con', content_type="application/json")
        case "reset":
            call.outcome = "reset"
            if request.transport is not None:
                request.transport.abort()
        case "delay":
            await asyncio.sleep(rule.seconds)
        case "hold":
            state.held += 1
            try:
                await state.released.wait()
            finally:
                state.held -= 1
    return _completion(state, call, prompt)


def _completion(state: _State, call: Call, prompt: str) -> web.Response:
    turns = len(call.messages)
    text = f"This is the LLM simulator. Message {turns} of this conversation: {_shorten(prompt)}"
    words = text.split()
    cut = call.max_tokens is not None and len(words) > call.max_tokens
    if cut:
        words = words[: call.max_tokens]
    prompt_tokens = sum(len(str(message["content"]).split()) + 4 for message in call.messages)
    document = {
        "id": f"chatcmpl-sim-{next(state.ids)}",
        "object": "chat.completion",
        "created": CREATED,
        "model": call.model or "simulator",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": " ".join(words)},
                "finish_reason": "length" if cut else "stop",
            }
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": len(words),
            "total_tokens": prompt_tokens + len(words),
        },
    }
    return web.Response(body=json.dumps(document).encode(), content_type="application/json")


def _shorten(prompt: str, limit: int = 200) -> str:
    line = " ".join(prompt.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    document = {"error": {"message": message, "type": "simulated", "code": status}}
    return web.json_response(document, status=status, headers=headers)


async def _healthz(_: web.Request) -> web.Response:
    return web.Response(text="ok")


async def _set_faults(request: web.Request) -> web.Response:
    state = request.app[_STATE]
    try:
        state.rules = parse_rules(await request.json())
    except ValueError as error:
        return _error(400, str(error))
    state.released.clear()
    return web.json_response({"rules": len(state.rules)})


async def _release(request: web.Request) -> web.Response:
    state = request.app[_STATE]
    state.released.set()
    return web.json_response({"released": state.held})


async def _get_calls(request: web.Request) -> web.Response:
    return web.json_response({"calls": [asdict(call) for call in request.app[_STATE].calls]})


async def _forget_calls(request: web.Request) -> web.Response:
    request.app[_STATE].calls.clear()
    return web.json_response({})


async def _get_held(request: web.Request) -> web.Response:
    return web.json_response({"held": request.app[_STATE].held})
