"""A request's way: admission, conversation, slot, breaker, attempts."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .api_key import ApiKey
from .breaker import Breaker
from .conversations import Conversations, Message
from .errors import Code, LlmError
from .metrics import Metrics
from .retry import Retry
from .settings import Settings
from .slots import Admission, Slots
from .upstream import Ask, Completion, Upstream

log = logging.getLogger(__name__)

# Who calls without the balancer in front (a probe, a test): bounded as one caller, and without conversations.
ANONYMOUS = ""


@dataclass(frozen=True, slots=True)
class Request:
    """A validated request: its rows, and whose it is."""

    asks: Sequence[Ask]
    caller: str = ANONYMOUS
    conversation: str | None = None


class Service:
    """Answers requests. Belongs to one event loop, in which it must be made."""

    def __init__(
        self, settings: Settings, metrics: Metrics, *, uniform: Callable[[float, float], float] | None = None
    ) -> None:
        """Open the upstream's connection pool and start with an empty cache and a closed breaker."""
        # One clock for everything with a deadline: the event loop's own, which asyncio's timeouts compare
        # with.
        self._clock = asyncio.get_running_loop().time
        self._settings = settings
        self._key = ApiKey(settings.api_key_file)
        self._refused = ""
        self._upstream = Upstream(settings, metrics)
        self._breaker = Breaker(settings.breaker_failures, settings.breaker_open_seconds)
        self._admission = Admission(settings.max_pending, settings.max_pending_per_caller)
        self._slots = Slots(settings.max_concurrency)
        jitter = {} if uniform is None else {"uniform": uniform}
        self._retry = Retry(settings, metrics, clock=self._clock, sleep=asyncio.sleep, **jitter)
        self._conversations = Conversations(
            ttl_seconds=settings.conversation_ttl_seconds,
            max_entries=settings.conversation_max_entries,
            max_bytes=settings.conversation_max_bytes,
            history_bytes=settings.conversation_history_bytes,
            metrics=metrics,
        )
        metrics.gauge("llm_breaker_state", lambda: self._breaker.state)
        metrics.gauge("llm_calls_running", lambda: self._slots.taken)
        metrics.gauge("llm_calls_waiting", lambda: self._slots.waiting)
        metrics.gauge("llm_rows_pending", lambda: self._admission.total)
        metrics.gauge("llm_conversations", lambda: self._conversations.entries)
        metrics.gauge("llm_conversation_bytes", lambda: self._conversations.bytes)

    async def answer(self, request: Request) -> list[Completion]:
        """Answer all rows, or fail as a whole.

        Rows run side by side; within a conversation they are turns, one after the other, of which all are
        remembered or none.

        Raises:
            LlmError: the failure of the first row that failed; its message names the row when there are
                several.
        """
        deadline = self._clock() + self._settings.total_deadline_seconds
        with self._admission.admit(request.caller, len(request.asks)):
            try:
                return await self._answer(request, deadline)
            except TimeoutError:
                raise self._late() from None

    async def close(self) -> None:
        """Close the connection pool."""
        await self._upstream.close()

    async def _answer(self, request: Request, deadline: float) -> list[Completion]:
        if request.conversation is not None and request.caller != ANONYMOUS:
            return await self._converse(request, (request.caller, request.conversation), deadline)
        if len(request.asks) == 1:
            (ask,) = request.asks
            return [await self._complete(request.caller, ask, _alone(ask), deadline)]
        try:
            async with asyncio.TaskGroup() as group:  # the first failure cancels the rows that still run
                rows = [
                    group.create_task(self._row(request, row, _alone(ask), deadline))
                    for row, ask in enumerate(request.asks)
                ]
        except BaseExceptionGroup as failures:
            raise _worst(failures) from None
        return [row.result() for row in rows]

    async def _converse(self, request: Request, key: tuple[str, str], deadline: float) -> list[Completion]:
        answers: list[Completion] = []
        async with self._conversations.turn(key, deadline) as draft:
            for row, ask in enumerate(request.asks):
                answer = await self._row(request, row, draft.messages(ask.prompt), deadline)
                draft.add(ask.prompt, answer.text)
                answers.append(answer)
        return answers

    async def _row(self, request: Request, row: int, messages: list[Message], deadline: float) -> Completion:
        try:
            return await self._complete(request.caller, request.asks[row], messages, deadline)
        except (LlmError, TimeoutError) as error:
            if len(request.asks) == 1:
                raise
            failure = error if isinstance(error, LlmError) else self._late()
            raise failure.prefixed(f"row {row} of {len(request.asks)} (from 0): ") from None

    async def _complete(self, caller: str, ask: Ask, messages: list[Message], deadline: float) -> Completion:
        async def attempt() -> Completion:
            async with self._slots.hold(caller, deadline):  # not held while backing off: others go ahead
                key = self._key.get()
                try:
                    return await self._attempt(messages, ask, key, deadline)
                except LlmError as error:
                    if error.code is not Code.UNAUTHORIZED:
                        raise
                    # Withdrawn upstream while this call was on its way, and the file may hold the next one
                    # already.
                    fresh = self._key.reread()
                    if fresh == key:
                        if key != self._refused:  # once per key, not once per call
                            log.warning("the upstream refuses the API key")
                            self._refused = key
                        raise
                    return await self._attempt(messages, ask, fresh, deadline)

        return await self._retry.run(attempt, deadline)

    def _late(self) -> LlmError:
        seconds = self._settings.total_deadline_seconds
        return LlmError(Code.DEADLINE, f"still queued when the deadline of {seconds:g} s passed")

    async def _attempt(self, messages: list[Message], ask: Ask, key: str, deadline: float) -> Completion:
        left = deadline - self._clock()
        if left <= 0:
            raise TimeoutError
        with self._breaker.attempt():
            return await self._upstream.complete(
                messages, ask, key, min(left, self._settings.attempt_timeout_seconds)
            )


def _alone(ask: Ask) -> list[Message]:
    return [{"role": "user", "content": ask.prompt}]


def _worst(group: BaseExceptionGroup) -> BaseException:
    """What to report of rows that failed at once: a row's error rather than a bug beside it."""
    return min(group.exceptions, key=lambda error: not isinstance(error, LlmError))
