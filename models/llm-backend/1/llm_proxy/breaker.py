"""Circuit breaker: an upstream that keeps failing is left alone for a while.

Written here because the libraries for asyncio do not fit: aiobreaker and its kin (pybreaker,
circuitbreaker, purgatory) take the result of a call that began before the circuit opened as if it were the
probe's, do not hand the probe on when it is cancelled, and let calls in parallel with it.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum

from .errors import Code, LlmError

log = logging.getLogger(__name__)


class State(IntEnum):
    """The breaker's state; the number is the value of the gauge."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker:
    """Closed until `failures` upstream failures in a row, then open; later a single probe decides.

    Not thread-safe: belongs to one event loop.
    """

    def __init__(
        self, failures: int, open_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start closed. `clock` counts seconds."""
        self._threshold = failures
        self._open_seconds = open_seconds
        self._clock = clock
        self._failures = 0
        self._opened_at = 0.0
        self._state = State.CLOSED
        # Grows with every change of state: a result counts only in the state in which its attempt began.
        self._epoch = 0
        self._probing = False

    @property
    def state(self) -> State:
        """The state as the next attempt finds it."""
        if self._state is State.OPEN and self._clock() - self._opened_at >= self._open_seconds:
            return State.HALF_OPEN
        return self._state

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Run one attempt in this block; its exception, or the lack of one, is the attempt's result.

        Raises:
            LlmError: LLM_CIRCUIT_OPEN, without running the block, when attempts are held back.
        """
        if self._state is not State.CLOSED:
            self._admit_probe()
        epoch = self._epoch
        try:
            yield
        except LlmError as error:
            self._settle(epoch, failed=error.traits.trips)
            raise
        except BaseException:
            # Cancelled, or a bug: says nothing about the upstream. A probe's place goes to the next attempt.
            if epoch == self._epoch:
                self._probing = False
            raise
        self._settle(epoch, failed=False)

    def _admit_probe(self) -> None:
        if self.state is State.OPEN:
            left = self._opened_at + self._open_seconds - self._clock()
            raise LlmError(
                Code.CIRCUIT_OPEN,
                f"the upstream keeps failing; calls are held back, next probe in {left:.1f} s",
            )
        if self._state is State.OPEN:
            self._enter(State.HALF_OPEN)
        if self._probing:
            raise LlmError(
                Code.CIRCUIT_OPEN, "the upstream kept failing; one probe is under way, try again later"
            )
        self._probing = True

    def _settle(self, epoch: int, *, failed: bool) -> None:
        if epoch != self._epoch:
            return
        if not failed:
            self._failures = 0
            if self._state is State.HALF_OPEN:
                self._enter(State.CLOSED)
            return
        self._failures += 1
        if self._state is State.HALF_OPEN or self._failures >= self._threshold:
            self._opened_at = self._clock()
            self._enter(State.OPEN)

    def _enter(self, state: State) -> None:
        log.warning("circuit breaker: %s -> %s", self._state.name.lower(), state.name.lower())
        self._state = state
        self._epoch += 1
        self._failures = 0
        self._probing = False
