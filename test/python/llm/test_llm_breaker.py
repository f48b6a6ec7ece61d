from __future__ import annotations

import pytest
from llm_proxy.breaker import Breaker, State
from llm_proxy.errors import Code, LlmError
from llm_support import Clock


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(failures=3, open_seconds=10, clock=clock)


def run(breaker: Breaker, code: Code | None = None) -> Code | None:
    """One attempt that fails with `code`; the code with which it really failed."""
    try:
        with breaker.attempt():
            if code:
                raise LlmError(code, "test")
    except LlmError as error:
        return error.code
    return None


def trip(breaker: Breaker) -> None:
    for _ in range(3):
        run(breaker, Code.UPSTREAM_ERROR)
    assert breaker.state is State.OPEN


def test_opens_after_failures_in_a_row_and_holds_calls_back(breaker: Breaker) -> None:
    run(breaker, Code.UPSTREAM_ERROR)
    run(breaker, Code.UPSTREAM_TIMEOUT)
    run(breaker)  # a success in between starts the count anew
    run(breaker, Code.UPSTREAM_UNREACHABLE)
    run(breaker, Code.BAD_RESPONSE)
    assert breaker.state is State.CLOSED
    run(breaker, Code.UPSTREAM_ERROR)
    assert breaker.state is State.OPEN
    assert run(breaker) is Code.CIRCUIT_OPEN


@pytest.mark.parametrize(
    "code", [Code.REJECTED, Code.UNAUTHORIZED, Code.FORBIDDEN, Code.NOT_FOUND, Code.RATE_LIMITED]
)
def test_answers_of_a_working_upstream_do_not_trip(breaker: Breaker, code: Code) -> None:
    for _ in range(10):
        assert run(breaker, code) is code
    assert breaker.state is State.CLOSED


def test_one_probe_only_and_its_success_closes(breaker: Breaker, clock: Clock) -> None:
    trip(breaker)
    clock.now += 9.9
    assert run(breaker) is Code.CIRCUIT_OPEN
    clock.now += 0.2
    assert breaker.state is State.HALF_OPEN
    with breaker.attempt():
        assert run(breaker) is Code.CIRCUIT_OPEN
        assert breaker.state is State.HALF_OPEN
    assert breaker.state is State.CLOSED
    assert run(breaker) is None


def test_failed_probe_opens_for_the_full_time_again(breaker: Breaker, clock: Clock) -> None:
    trip(breaker)
    clock.now += 10
    assert run(breaker, Code.UPSTREAM_ERROR) is Code.UPSTREAM_ERROR
    clock.now += 9.9
    assert run(breaker) is Code.CIRCUIT_OPEN


def test_cancelled_probe_passes_its_place_on(breaker: Breaker, clock: Clock) -> None:
    trip(breaker)
    clock.now += 10
    with pytest.raises(KeyboardInterrupt), breaker.attempt():
        raise KeyboardInterrupt
    assert breaker.state is State.HALF_OPEN
    assert run(breaker) is None
    assert breaker.state is State.CLOSED


def test_results_of_attempts_begun_before_it_opened_do_not_count(breaker: Breaker, clock: Clock) -> None:
    early_success, early_failure = breaker.attempt(), breaker.attempt()
    early_success.__enter__()
    early_failure.__enter__()
    trip(breaker)
    early_success.__exit__(None, None, None)
    assert breaker.state is State.OPEN
    clock.now += 10
    with breaker.attempt():
        error = LlmError(Code.UPSTREAM_ERROR, "late")
        assert early_failure.__exit__(LlmError, error, None) is False
        assert breaker.state is State.HALF_OPEN
    assert breaker.state is State.CLOSED
