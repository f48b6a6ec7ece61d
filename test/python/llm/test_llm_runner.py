from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
from llm_proxy.runner import Runner
from llm_proxy.settings import Settings
from llm_support import Simulator

Make = Callable[..., Settings]


class FakeRequest:
    """A request, its response sender, and the response sent."""

    def __init__(self, prompt: str) -> None:
        self._prompt = prompt
        self.cancelled = False
        self.responses: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def inputs(self) -> list[Any]:
        values = np.array([[self._prompt.encode()]], dtype=np.object_)
        return [SimpleNamespace(name=lambda: "prompt", as_numpy=lambda: values)]

    def parameters(self) -> str:
        return "{}"

    def get_response_sender(self) -> FakeRequest:
        return self

    def is_cancelled(self) -> bool:
        return self.cancelled

    def send(self, response: dict[str, Any], flags: int) -> None:
        assert flags == 1
        self.responses.put(response)

    async def response(self) -> str:
        """The text or the error, once sent."""
        response = await asyncio.to_thread(self.responses.get, timeout=5)
        if "error" in response:
            return response["error"]
        return dict(response["output_tensors"])["generated_text"][0][0].decode()


class FakeFamily:
    COUNTER, GAUGE = "counter", "gauge"

    def __init__(self, **_: object) -> None:
        pass

    def Metric(self, labels: dict[str, str]) -> Any:  # noqa: ANN401
        return SimpleNamespace(increment=lambda value: None, set=lambda value: None)


PB_UTILS = SimpleNamespace(
    TRITONSERVER_RESPONSE_COMPLETE_FINAL=1,
    MetricFamily=FakeFamily,
    Tensor=lambda name, value: (name, value),
    InferenceResponse=lambda **fields: fields,
    TritonError=type(
        "TritonError",
        (),
        {
            "__new__": lambda _, message, code: message,
            "INVALID_ARG": 1,
            "INTERNAL": 2,
            "UNAVAILABLE": 3,
            "CANCELLED": 4,
        },
    ),
)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Runner]:
    runner = await asyncio.to_thread(Runner, PB_UTILS, settings, "llm")
    try:
        yield runner
    finally:
        await asyncio.to_thread(runner.stop)
        assert not runner._thread.is_alive()
        assert not runner._sender.is_alive()
        assert not runner._exporter._thread.is_alive()


async def held(simulator: Simulator, count: int) -> None:
    async with asyncio.timeout(5):
        while await simulator.held() != count:
            await asyncio.sleep(0.005)


async def test_each_request_is_answered_as_soon_as_it_can_be(settings: Make, simulator: Simulator) -> None:
    await simulator.faults({"action": "hold", "match": "slow"})
    slow, quick, bad = FakeRequest("slow"), FakeRequest("quick"), FakeRequest("")
    async with running(settings()) as runner:
        runner.submit([slow, quick, bad])
        assert "LLM_INVALID_INPUT" in await bad.response()
        assert (await quick.response()).endswith("quick")
        await held(simulator, 1)
        assert slow.responses.empty()
        await simulator.release()
        assert (await slow.response()).endswith("slow")


async def test_client_gone_away(settings: Make, simulator: Simulator) -> None:
    await simulator.faults({"action": "hold"})
    request = FakeRequest("x")
    async with running(settings(cancel_poll_seconds=0.01)) as runner:
        runner.submit([request])
        await held(simulator, 1)
        request.cancelled = True
        assert "LLM_CANCELLED" in await request.response()
        await held(simulator, 0)


async def test_stopping_waits_for_running_calls(settings: Make, simulator: Simulator) -> None:
    await simulator.faults({"action": "hold"})
    request = FakeRequest("x")
    async with running(settings()) as runner:
        runner.submit([request])
        await held(simulator, 1)
        stopping = asyncio.create_task(asyncio.to_thread(runner.stop))
        async with asyncio.timeout(5):
            while not runner._stopping:
                await asyncio.sleep(0.005)
        late = FakeRequest("late")
        runner.submit([late])
        assert "LLM_SHUTTING_DOWN" in await late.response()
        assert request.responses.empty()
        await simulator.release()
        assert (await request.response()).endswith("x")
        await stopping
        runner.stop = lambda: None


async def test_stopping_fails_what_outlasts_the_grace(settings: Make, simulator: Simulator) -> None:
    await simulator.faults({"action": "hold"})
    request = FakeRequest("x")
    async with running(settings(shutdown_grace_seconds=0)) as runner:
        runner.submit([request])
        await held(simulator, 1)
    assert "LLM_SHUTTING_DOWN" in await request.response()
