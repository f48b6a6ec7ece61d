"""One attempt: a `POST /chat/completions` and what its answer means."""

import asyncio
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from .conversations import Message
from .errors import Code, LlmError, quote
from .metrics import Metrics
from .settings import Settings

# No completion comes near: keeps a broken upstream from filling the memory.
MAX_BODY_BYTES = 16 * 1024 * 1024
INT32_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer and its token counts as the upstream bills them."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


@dataclass(frozen=True, slots=True)
class Ask:
    """What one row asks for."""

    prompt: str
    max_tokens: int
    temperature: float


class Upstream:
    """The API, over one pool of kept-alive connections. Made in, and belongs to, one event loop."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Open the pool. `clock` counts seconds; `now` is compared with a `Retry-After` that is a date."""
        self._url = settings.completions_url
        self._model = settings.model
        self._connect_timeout = settings.connect_timeout_seconds
        self._metrics = metrics
        self._clock = clock
        self._now = now
        self._session = aiohttp.ClientSession(
            # The slots bound concurrency, fairly; the pool's own bound would queue without regard to callers.
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60, keepalive_timeout=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept": "application/json", "Content-Type": "application/json"},
        )

    async def complete(self, messages: list[Message], ask: Ask, key: str, timeout: float) -> Completion:
        """Ask once.

        Args:
            messages: history and prompt.
            ask: the row's tunables.
            key: the API key.
            timeout: seconds for the attempt as a whole, connecting included.

        Raises:
            LlmError: any failure, without the key in its message.
        """
        body = json.dumps(
            {
                "model": self._model,
                "messages": messages,
                "max_tokens": ask.max_tokens,
                "temperature": ask.temperature,
            },
            ensure_ascii=False,
        ).encode()
        limits = aiohttp.ClientTimeout(
            total=timeout,
            sock_connect=self._connect_timeout,
            ceil_threshold=math.inf,  # exact: rounding up to a whole second would overrun the deadline
        )
        started = self._clock()
        try:
            async with self._session.post(
                self._url,
                data=body,
                headers={"Authorization": f"Bearer {key}"},
                timeout=limits,
                allow_redirects=False,  # the key goes to the configured host only
            ) as response:
                status = response.status
                retry_after = response.headers.get("Retry-After")
                payload = await _read(response)
        except TimeoutError as error:
            what = "no connection" if isinstance(error, aiohttp.ConnectionTimeoutError) else "no answer"
            raise LlmError(Code.UPSTREAM_TIMEOUT, f"{what} from the upstream in time") from None
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
            # `from None`, here and above: aiohttp's exceptions carry the request's headers, and with them
            # the key.
            reason = quote(f"{type(error).__name__}: {error}", key)
            raise LlmError(
                Code.UPSTREAM_UNREACHABLE, f"the connection to the upstream failed: {reason}"
            ) from None
        finally:
            self._metrics.attempt(self._clock() - started)
        if status == 200:
            return self._parse(payload, key)
        raise _refusal(status, payload, key, parse_retry_after(retry_after, self._now()))

    async def close(self) -> None:
        """Close the pool."""
        await self._session.close()

    def _parse(self, payload: bytes, key: str) -> Completion:
        try:
            answer = json.loads(payload)
            text = answer["choices"][0]["message"]["content"]
            usage = answer["usage"]
            prompt, completion = _tokens(usage["prompt_tokens"]), _tokens(usage["completion_tokens"])
            total = _tokens(usage.get("total_tokens", prompt + completion))
            if not isinstance(text, str):
                raise TypeError("content is no string")
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            seen = quote(payload[:4096].decode(errors="replace"), key)
            raise LlmError(
                Code.BAD_RESPONSE,
                f"the upstream's answer is no chat completion ({type(error).__name__}): {seen}",
            ) from None
        self._metrics.tokens(prompt, completion)
        return Completion(text, prompt, completion, total)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise LlmError(Code.BAD_RESPONSE, f"the upstream's answer exceeds {MAX_BODY_BYTES} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _tokens(value: Any) -> int:  # noqa: ANN401
    if type(value) is not int or not 0 <= value <= INT32_MAX:
        raise ValueError("not a token count")
    return value


def _refusal(status: int, payload: bytes, key: str, retry_after: float | None) -> LlmError:
    said = quote(_message_of(payload), key)
    said = f"HTTP {status}: {said}" if said else f"HTTP {status}"
    match status:
        case 401:
            return LlmError(
                Code.UNAUTHORIZED, f"the upstream refuses the API key; write a valid one to its file ({said})"
            )
        case 403:
            return LlmError(Code.FORBIDDEN, f"the API key may not do this ({said})")
        case 404:
            return LlmError(Code.NOT_FOUND, f"check HOLYSHEEP_BASE_URL and HOLYSHEEP_MODEL ({said})")
        case 408:
            return LlmError(
                Code.UPSTREAM_TIMEOUT, f"the upstream gave up waiting ({said})", retry_after=retry_after
            )
        case 429:
            return LlmError(
                Code.RATE_LIMITED, f"the upstream limits the rate ({said})", retry_after=retry_after
            )
        case _ if status >= 500:
            return LlmError(Code.UPSTREAM_ERROR, f"the upstream failed ({said})", retry_after=retry_after)
        case _ if status >= 400:
            return LlmError(Code.REJECTED, f"the upstream rejects the request ({said})")
        case _:
            return LlmError(
                Code.BAD_RESPONSE, f"unexpected status from the upstream; is its URL right? ({said})"
            )


def _message_of(payload: bytes) -> str:
    """The error message of an OpenAI-style body, else the body's beginning."""
    text = payload[:4096].decode(errors="replace")
    try:
        message = json.loads(payload)["error"]["message"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return text
    return message if isinstance(message, str) else text


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds a `Retry-After` header asks to wait (a number or HTTP date); None if absent or unreadable."""
    if value is None:
        return None
    value = value.strip()
    try:
        # Whole seconds by the standard; fractions are seen in practice.
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except ValueError:
            return None
        # "-0000" parses without a zone; HTTP dates are GMT.
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        seconds = (date - now).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
