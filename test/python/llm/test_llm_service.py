from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from llm_proxy.errors import Code, LlmError
from llm_proxy.metrics import Metrics
from llm_proxy.service import Request, Service
from llm_proxy.settings import Settings
from llm_proxy.upstream import Ask
from llm_support import KEY, Simulator

Make = Callable[..., Settings]


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Service]:
    metrics = Metrics(0.42, 0.42, 8)
    service = Service(settings, metrics)
    service.metrics = metrics
    try:
        yield service
    finally:
        await service.close()


def ask(*prompts: str, caller: str = "caller", conversation: str | None = None) -> Request:
    return Request([Ask(prompt, 100, 0.7) for prompt in prompts], caller, conversation)


async def code_of(answer: Awaitable[object]) -> Code:
    with pytest.raises(LlmError) as caught:
        await answer
    assert KEY not in str(caught.value)
    return caught.value.code


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(5):
        while not await condition():
            await asyncio.sleep(0.001)


async def test_answer_usage_and_request_as_sent(settings: Make, simulator: Simulator) -> None:
    async with running(settings(model="some-model")) as service:
        (answer,) = await service.answer(ask("How are you?"))
        assert "How are you?" in answer.text
        assert answer.total_tokens == answer.prompt_tokens + answer.completion_tokens > 0
        values = service.metrics.snapshot()
        assert values["llm_tokens_total", (("kind", "prompt"),)] == answer.prompt_tokens
        assert values["llm_cost_usd_total", ()] == pytest.approx(answer.total_tokens * 0.42e-6)
        assert values["llm_reference_cost_usd_total", ()] == pytest.approx(answer.total_tokens * 8e-6)
        assert values["llm_upstream_attempts_total", ()] == 1
        assert values["llm_upstream_seconds_total", ()] > 0
    (call,) = await simulator.calls()
    assert call == {
        "model": "some-model",
        "messages": [{"role": "user", "content": "How are you?"}],
        "max_tokens": 100,
        "temperature": 0.7,
        "key_sha256": hashlib.sha256(KEY.encode()).hexdigest(),
        "outcome": "200",
    }


async def test_rows_are_upstream_at_the_same_time_and_keep_their_order(
    settings: Make, simulator: Simulator
) -> None:
    await simulator.faults({"action": "hold", "match": "first"}, {"action": "hold", "match": "third"})

    async def both_held() -> bool:
        return await simulator.held() == 2

    async with running(settings()) as service:
        answer = asyncio.create_task(service.answer(ask("first", "second", "third")))
        await until(both_held)
        await simulator.release()
        texts = [row.text for row in await answer]
    assert [text.split()[-1] for text in texts] == ["first", "second", "third"]


async def test_a_failed_row_fails_the_request_and_stops_the_others(
    settings: Make, simulator: Simulator
) -> None:
    await simulator.faults(
        {"action": "hold", "match": "good"}, {"action": "status", "match": "bad", "status": 400}
    )
    async with running(settings()) as service:
        with pytest.raises(LlmError, match=r"LLM_REJECTED: row 1 of 2 \(from 0\): .*HTTP 400"):
            await service.answer(ask("good", "bad"))

    async def stopped() -> bool:
        return [call["outcome"] for call in await simulator.calls()] == ["abandoned", "400"]

    await until(stopped)


@pytest.mark.parametrize(
    ("status", "code", "attempts"),
    [
        (400, Code.REJECTED, 1),
        (401, Code.UNAUTHORIZED, 1),
        (403, Code.FORBIDDEN, 1),
        (404, Code.NOT_FOUND, 1),
        (429, Code.RATE_LIMITED, 3),
        (500, Code.UPSTREAM_ERROR, 3),
        (503, Code.UPSTREAM_ERROR, 3),
        (307, Code.BAD_RESPONSE, 1),
    ],
)
async def test_statuses(settings: Make, simulator: Simulator, status: int, code: Code, attempts: int) -> None:
    await simulator.faults({"action": "status", "status": status, "message": "says {key} and Bearer {key}"})
    async with running(settings(max_retries=2)) as service:
        assert await code_of(service.answer(ask("x"))) is code
    assert len(await simulator.calls()) == attempts


@pytest.mark.parametrize("fault", [{"action": "status", "status": 503}, {"action": "reset"}])
async def test_recovers_from_passing_failures(
    settings: Make, simulator: Simulator, fault: dict[str, object]
) -> None:
    await simulator.faults({**fault, "times": 2})
    async with running(settings()) as service:
        await service.answer(ask("x"))
    assert len(await simulator.calls()) == 3


async def test_an_attempt_without_answer_is_given_up_and_repeated(
    settings: Make, simulator: Simulator
) -> None:
    await simulator.faults({"action": "hold", "times": 1})
    async with running(settings(attempt_timeout_seconds=0.05)) as service:
        await service.answer(ask("x"))
        assert service.metrics.snapshot()["llm_retries_total", (("reason", Code.UPSTREAM_TIMEOUT),)] == 1


async def test_deadline_covers_all_attempts(settings: Make, simulator: Simulator) -> None:
    await simulator.faults({"action": "hold"})
    async with running(settings(total_deadline_seconds=0.05)) as service:
        assert await code_of(service.answer(ask("x"))) is Code.UPSTREAM_TIMEOUT
        assert len(await simulator.calls()) == 1


async def test_deadline_covers_queueing(settings: Make, simulator: Simulator) -> None:
    await simulator.faults({"action": "hold"})
    async with running(settings(total_deadline_seconds=0.05, max_concurrency=1)) as service:
        codes = await asyncio.gather(code_of(service.answer(ask("x"))), code_of(service.answer(ask("y"))))
    assert Code.UPSTREAM_TIMEOUT in codes
    assert set(codes) <= {Code.UPSTREAM_TIMEOUT, Code.DEADLINE}


async def test_a_retry_after_past_the_deadline_fails_at_once(settings: Make, simulator: Simulator) -> None:
    await simulator.faults({"action": "status", "status": 429, "headers": {"Retry-After": "121"}})
    async with running(settings()) as service:
        assert await code_of(service.answer(ask("x"))) is Code.RATE_LIMITED
    assert len(await simulator.calls()) == 1


async def test_malformed_answer_is_an_error_and_not_paid_for_again(
    settings: Make, simulator: Simulator
) -> None:
    await simulator.faults({"action": "malformed"})
    async with running(settings()) as service:
        assert await code_of(service.answer(ask("x"))) is Code.BAD_RESPONSE
    assert len(await simulator.calls()) == 1


async def test_redirects_are_not_followed(settings: Make, simulator: Simulator) -> None:
    elsewhere = {"Location": f"{simulator.url}/v1/chat/completions"}
    await simulator.faults({"action": "status", "status": 307, "headers": elsewhere, "times": 1})
    async with running(settings()) as service:
        assert await code_of(service.answer(ask("x"))) is Code.BAD_RESPONSE
    assert len(await simulator.calls()) == 1


async def test_unreachable_upstream(settings: Make, unused_tcp_port: int) -> None:
    async with running(settings(base_url=f"http://127.0.0.1:{unused_tcp_port}/v1", max_retries=1)) as service:
        assert await code_of(service.answer(ask("x"))) is Code.UPSTREAM_UNREACHABLE


async def test_open_circuit_spares_the_upstream(settings: Make, simulator: Simulator) -> None:
    await simulator.faults({"action": "status", "status": 503})
    async with running(settings(breaker_failures=2, max_retries=0)) as service:
        for _ in range(2):
            assert await code_of(service.answer(ask("x"))) is Code.UPSTREAM_ERROR
        assert await code_of(service.answer(ask("x"))) is Code.CIRCUIT_OPEN
        service.metrics.read_gauges()
        assert service.metrics.snapshot()["llm_breaker_state", ()] == 2
    assert len(await simulator.calls()) == 2


async def test_backing_off_holds_no_slot(settings: Make, simulator: Simulator) -> None:
    await simulator.faults(
        {"action": "status", "status": 429, "headers": {"Retry-After": "60"}, "match": "limited"}
    )

    async def limited() -> bool:
        return bool(await simulator.calls())

    async with running(settings(max_concurrency=1)) as service:
        waiting = asyncio.create_task(service.answer(ask("limited")))
        await until(limited)
        await service.answer(ask("other"))
        assert not waiting.done()
        waiting.cancel()


async def test_too_many_pending_rows_fail_at_once(settings: Make, simulator: Simulator) -> None:
    await simulator.faults({"action": "hold"})
    async with running(settings(max_pending=2, max_pending_per_caller=2)) as service:
        held = asyncio.create_task(service.answer(ask("a", "b")))
        await asyncio.sleep(0)
        assert await code_of(service.answer(ask("c", caller="other"))) is Code.OVERLOADED
        await simulator.release()
        held.cancel()


async def test_key_rotation(settings: Make, simulator: Simulator, key_file: Path) -> None:
    async with running(settings()) as service:
        await service.answer(ask("x"))
        key_file.write_text("sk-second")  # the simulator demands what the file holds
        await service.answer(ask("x"))
    assert [call["outcome"] for call in await simulator.calls()] == ["200", "200"]


async def test_key_replaced_while_the_call_was_under_way(
    settings: Make, simulator: Simulator, tmp_path: Path
) -> None:
    """The upstream knows the new key only, and the proxy's file changes just after it was read."""
    file = tmp_path / "proxy-key"
    file.write_text("sk-old")
    async with running(settings(api_key_file=file)) as service:
        get = service._key.get

        def get_then_rotate() -> str:
            service._key.get = get
            key = get()
            file.write_text(KEY)
            return key

        service._key.get = get_then_rotate
        await service.answer(ask("x"))
    assert [call["outcome"] for call in await simulator.calls()] == ["401", "200"]


async def test_no_key_calls_nobody(settings: Make, simulator: Simulator) -> None:
    async with running(settings(api_key_file=None)) as service:
        assert await code_of(service.answer(ask("x"))) is Code.NO_KEY
    assert await simulator.calls() == []


async def test_key_is_in_no_message_and_no_log(
    settings: Make, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await simulator.faults({"action": "status", "status": 401, "message": "Incorrect API key: {key}"})
    async with running(settings()) as service:
        with pytest.raises(LlmError, match=r"LLM_UNAUTHORIZED.*Incorrect API key: \*\*\*"):
            await service.answer(ask("x"))
    assert "refuses the API key" in caplog.text
    assert KEY not in caplog.text


async def test_conversation_is_the_callers_own(settings: Make, simulator: Simulator) -> None:
    async def sent(request: Request) -> int:
        await service.answer(request)
        return len((await simulator.calls())[-1]["messages"])

    async with running(settings()) as service:
        assert await sent(ask("one", caller="a", conversation="1")) == 1
        assert await sent(ask("two", caller="a", conversation="1")) == 3
        assert await sent(ask("one", caller="b", conversation="1")) == 1
        assert await sent(ask("two", caller="a")) == 1
        for _ in range(2):  # without a caller there is no conversation
            assert await sent(ask("one", caller="", conversation="1")) == 1


async def test_failed_turns_are_not_remembered(settings: Make, simulator: Simulator) -> None:
    await simulator.faults({"action": "status", "status": 400, "match": "bad"})
    async with running(settings()) as service:
        assert await code_of(service.answer(ask("one", "bad", conversation="1"))) is Code.REJECTED
        await service.answer(ask("two", conversation="1"))
    assert [m["content"] for m in (await simulator.calls())[-1]["messages"]] == ["two"]


async def test_rows_of_a_conversation_are_turns_in_order(settings: Make, simulator: Simulator) -> None:
    async with running(settings()) as service:
        await service.answer(ask("one", "two", conversation="1"))
    assert [len(call["messages"]) for call in await simulator.calls()] == [1, 3]
