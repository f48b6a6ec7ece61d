"""Which attempts follow a failed one, and when: tenacity with this model's rules."""

import random
import time
from collections.abc import Awaitable, Callable

import tenacity

from .errors import Code, LlmError
from .metrics import Metrics
from .settings import Settings
from .upstream import Completion

# A Retry-After says "not before": calls that were told the same moment are spread over this much after it.
RETRY_AFTER_SPREAD_SECONDS = 0.5


class Retry:
    """Exponential backoff with full jitter under a deadline over all attempts."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]],
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """Take the tunables from `settings`; `clock`, `sleep` and `uniform` are replaceable for tests."""
        self._max_attempts = settings.max_retries + 1
        self._base = settings.backoff_base_seconds
        self._cap = settings.backoff_cap_seconds
        self._metrics = metrics
        self._clock = clock
        self._sleep = sleep
        self._uniform = uniform

    async def run(self, attempt: Callable[[], Awaitable[Completion]], deadline: float) -> Completion:
        """Run `attempt` until it succeeds, fails for good, or would begin after `deadline` (of `clock`).

        Raises:
            LlmError: the last attempt's failure, saying how many there were.
        """

        def past_deadline(state: tenacity.RetryCallState) -> bool:
            return self._clock() + state.upcoming_sleep >= deadline

        def give_up(state: tenacity.RetryCallState) -> Completion:
            error = _failure(state)
            if error.retry_after is not None and state.attempt_number < self._max_attempts:
                raise error.suffixed(
                    f"; it asks to wait {error.retry_after:.0f} s, which is past the deadline"
                )
            raise error.suffixed(f"; gave up after attempt {state.attempt_number}")

        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(lambda e: isinstance(e, LlmError) and e.traits.retried),
            wait=self._wait,
            stop=tenacity.stop_any(tenacity.stop_after_attempt(self._max_attempts), past_deadline),
            before_sleep=lambda state: self._metrics.retry(_failure(state).code),
            retry_error_callback=give_up,
            sleep=self._sleep,
        )
        return await retrying(attempt)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        asked = _failure(state).retry_after
        if asked is not None:
            return asked + self._uniform(0.0, RETRY_AFTER_SPREAD_SECONDS)
        # The exponent is bounded too: 2.0 ** 1024 overflows.
        return self._uniform(0.0, min(self._cap, self._base * 2.0 ** min(state.attempt_number - 1, 64)))


def _failure(state: tenacity.RetryCallState) -> LlmError:
    error = state.outcome.exception() if state.outcome else None
    return (
        error if isinstance(error, LlmError) else LlmError(Code.INTERNAL, "an attempt ended without a result")
    )
