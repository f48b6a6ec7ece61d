from __future__ import annotations

from datetime import UTC, datetime

import pytest
from llm_proxy.errors import Code, LlmError
from llm_proxy.metrics import Metrics
from llm_proxy.retry import Retry
from llm_proxy.settings import Settings
from llm_proxy.upstream import Completion, parse_retry_after
from llm_support import Clock

DONE = Completion("text", 1, 2, 3)


class Script:
    """Attempts that fail with the given errors, then succeed; and the waits between them."""

    def __init__(self, clock: Clock, *failures: LlmError, **settings: float) -> None:
        self.clock = clock
        self.failures = list(failures)
        self.attempts = 0
        self.waits: list[float] = []
        self.metrics = Metrics(1, 1, 1)
        self.retry = Retry(
            Settings(**settings), self.metrics, clock=clock, sleep=self._sleep, uniform=lambda low, high: high
        )

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.now += seconds

    async def _attempt(self) -> Completion:
        self.attempts += 1
        if self.failures:
            raise self.failures.pop(0)
        return DONE

    async def run(self, seconds: float = 120) -> Completion:
        return await self.retry.run(self._attempt, self.clock.now + seconds)


def errors(count: int, code: Code = Code.UPSTREAM_ERROR, retry_after: float | None = None) -> list[LlmError]:
    return [LlmError(code, "test", retry_after=retry_after) for _ in range(count)]


async def test_backoff_doubles_up_to_the_cap(clock: Clock) -> None:
    script = Script(clock, *errors(5), max_retries=5, backoff_base_seconds=1, backoff_cap_seconds=6)
    assert await script.run() is DONE
    assert script.waits == [1, 2, 4, 6, 6]


async def test_jitter_is_drawn_from_zero(clock: Clock) -> None:
    script = Script(clock, *errors(1))
    script.retry._uniform = lambda low, high: low
    await script.run()
    assert script.waits == [0]


@pytest.mark.parametrize(
    "code", [Code.RATE_LIMITED, Code.UPSTREAM_ERROR, Code.UPSTREAM_UNREACHABLE, Code.UPSTREAM_TIMEOUT]
)
async def test_retries_and_counts_them(clock: Clock, code: Code) -> None:
    script = Script(clock, *errors(1, code))
    assert await script.run() is DONE
    assert script.attempts == 2
    assert script.metrics.snapshot()["llm_retries_total", (("reason", code),)] == 1


@pytest.mark.parametrize(
    "code",
    [Code.REJECTED, Code.UNAUTHORIZED, Code.FORBIDDEN, Code.NOT_FOUND, Code.BAD_RESPONSE, Code.CIRCUIT_OPEN],
)
async def test_final_failures_are_not_retried(clock: Clock, code: Code) -> None:
    script = Script(clock, *errors(1, code))
    with pytest.raises(LlmError) as caught:
        await script.run()
    assert (caught.value.code, script.attempts) == (code, 1)


async def test_gives_up_after_max_retries(clock: Clock) -> None:
    script = Script(clock, *errors(9), max_retries=2)
    with pytest.raises(LlmError, match="LLM_UPSTREAM_ERROR: test; gave up after attempt 3"):
        await script.run()
    assert script.attempts == 3


async def test_retry_after_is_honoured(clock: Clock) -> None:
    script = Script(clock, *errors(1, Code.RATE_LIMITED, retry_after=30), backoff_cap_seconds=1)
    await script.run()
    assert 30 <= script.waits[0] <= 31


async def test_retry_after_beyond_the_deadline_fails_at_once(clock: Clock) -> None:
    script = Script(clock, *errors(1, Code.RATE_LIMITED, retry_after=300))
    with pytest.raises(LlmError, match=r"LLM_RATE_LIMITED.*wait 300 s, which is past the deadline"):
        await script.run()
    assert script.waits == []


async def test_no_attempt_begins_after_the_deadline(clock: Clock) -> None:
    script = Script(clock, *errors(9), max_retries=9, backoff_base_seconds=4, backoff_cap_seconds=100)
    with pytest.raises(LlmError, match="LLM_UPSTREAM_ERROR"):
        await script.run(seconds=20)
    assert script.waits == [4, 8]  # 16 more would end at 28


NOW = datetime(2024, 5, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7),
        (" 1.5 ", 1.5),
        ("-3", 0),
        ("Wed, 01 May 2024 12:00:45 GMT", 45),
        ("Wed, 01 May 2024 12:00:45 -0000", 45),
        ("Wed, 01 May 2024 11:00:00 GMT", 0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_retry_after_header(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds
