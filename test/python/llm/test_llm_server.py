"""The model in the real tritonserver, before the simulator."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import triton_server
from llm_support import MODEL, SIMULATOR

pytestmark = pytest.mark.server

HERE = Path(__file__).parent
FORWARDED = "(?i)x-(caller|conversation)-id"
KEYS = ("sk-live-one-0123456789", "sk-live-two-0123456789")

Answer = tuple[list[str], list[list[int]]]


@dataclass
class Stack:
    """The server, the simulator behind it, and the key file of each."""

    server: triton_server.TritonServer
    simulator: str
    model_key: Path
    simulator_key: Path
    without_key: str

    def infer(self, *prompts: str, headers: dict[str, str] | None = None, **inputs: Any) -> Answer:  # noqa: ANN401
        """Ask over gRPC and wait. Raises InferenceServerException."""
        return self.start(*prompts, headers=headers, **inputs).result(timeout=20)

    def start(self, *prompts: str, headers: dict[str, str] | None = None, **inputs: Any) -> Call:  # noqa: ANN401
        """Ask over gRPC."""
        return Call(self.server.grpc_port, prompts, headers or {}, inputs)

    def control(self, path: str, body: object = None, method: str = "POST") -> Any:  # noqa: ANN401
        """Call the simulator's control API."""
        data = None if method == "GET" else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.simulator}{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def metrics(self) -> str:
        """The server's metrics."""
        with urllib.request.urlopen(
            f"http://127.0.0.1:{self.server.metrics_port}/metrics", timeout=10
        ) as response:
            return response.read().decode()


class Call:
    """One inference under way."""

    def __init__(
        self, port: int, prompts: tuple[str, ...], headers: dict[str, str], inputs: dict[str, Any]
    ) -> None:
        import tritonclient.grpc as triton

        def tensor(name: str, kind: str, values: list[list[Any]], dtype: type) -> triton.InferInput:
            result = triton.InferInput(name, [len(values), 1], kind)
            result.set_data_from_numpy(np.array(values, dtype=dtype))
            return result

        tensors = [tensor("prompt", "BYTES", [[prompt.encode()] for prompt in prompts], np.object_)]
        for name, kind, dtype in (("max_tokens", "INT32", np.int32), ("temperature", "FP32", np.float32)):
            if name in inputs:
                tensors.append(tensor(name, kind, [[value] for value in inputs[name]], dtype))
        self._result: Future[Answer] = Future()
        self._client = triton.InferenceServerClient(f"127.0.0.1:{port}")
        self._context = self._client.async_infer("llm-backend", tensors, self._ended, headers=headers)

    def _ended(self, result: Any, error: Exception | None) -> None:  # noqa: ANN401
        if error is not None:
            self._result.set_exception(error)
            return
        texts = [row[0].decode() for row in result.as_numpy("generated_text")]
        self._result.set_result((texts, result.as_numpy("usage").tolist()))

    def result(self, timeout: float) -> Answer:
        """Wait for the answer."""
        try:
            return self._result.result(timeout)
        finally:
            self._client.close()

    def done(self) -> bool:
        """Whether the answer is there."""
        return self._result.done()

    def cancel(self) -> None:
        """Go away."""
        self._context.cancel()


def fails(stack: Stack, *prompts: str, **more: Any) -> str:  # noqa: ANN401
    from tritonclient.utils import InferenceServerException

    with pytest.raises(InferenceServerException) as caught:
        stack.infer(*prompts, **more)
    return str(caught.value)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "did not come true in 10 s"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if missing := triton_server.missing_for_server():
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("llm")
    model = folder / "repository" / "llm-backend"
    model.mkdir(parents=True)
    shutil.copytree(MODEL / "1", model / "1", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "config.pbtxt", model)
    model_key, simulator_key = folder / "model-key", folder / "simulator-key"
    simulator_key.write_text(KEYS[0])
    command = [sys.executable, str(SIMULATOR), "--port", "0", "--api-key-file", str(simulator_key)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        pytest.MonkeyPatch.context() as patch,
    ):
        try:
            url = re.search(r"http://[\d.:]+", process.stdout.readline())[0]
            patch.setitem(os.environ, "HOLYSHEEP_BASE_URL", f"{url}/v1")
            patch.setitem(os.environ, "HOLYSHEEP_API_KEY_FILE", str(model_key))
            flags = [f"--{protocol}-header-forward-pattern={FORWARDED}" for protocol in ("http", "grpc")]
            (folder / "server").mkdir()
            with triton_server.serve(folder / "repository", folder / "server", *flags) as server:
                result = Stack(server, url, model_key, simulator_key, "")
                result.without_key = fails(result, "hello")
                model_key.write_text(KEYS[0])
                yield result
        finally:
            process.terminate()


@pytest.fixture(autouse=True)
def no_faults(stack: Stack) -> None:
    stack.control("/_release")
    stack.control("/_faults", [])
    stack.control("/_calls", method="DELETE")


def test_ready_without_a_key_and_says_what_is_missing(stack: Stack) -> None:
    # The server was ready before there was a key: the fixture waits for that.
    assert "LLM_NO_KEY" in stack.without_key
    assert "does not exist; write the key to it" in stack.without_key


def test_text_and_usage(stack: Stack) -> None:
    (text,), (usage,) = stack.infer("How are you?", max_tokens=[6], temperature=[0.5])
    assert text == "This is the LLM simulator. Message"
    assert usage == [usage[0], 6, usage[0] + 6, 1]
    (call,) = stack.control("/_calls", method="GET")["calls"]
    assert (call["max_tokens"], call["temperature"], call["model"]) == (6, 0.5, "deepseek-v3-250328")


def test_rows_keep_their_order_and_defaults_apply(stack: Stack) -> None:
    texts, usage = stack.infer("one", "two", "three")
    assert [text.split()[-1] for text in texts] == ["one", "two", "three"]
    assert [row[3] for row in usage] == [1, 1, 1]
    calls = stack.control("/_calls", method="GET")["calls"]
    assert {(call["max_tokens"], call["temperature"]) for call in calls} == {(2048, 0.7)}


def test_slow_answers_do_not_hold_quick_ones_back(stack: Stack) -> None:
    stack.control("/_faults", [{"action": "hold", "match": "slow"}])
    slow = [stack.start(f"slow {n}") for n in range(8)]
    until(lambda: stack.control("/_held", method="GET")["held"] == 8)
    quick = [stack.start(f"quick {n}") for n in range(8)]
    for n, call in enumerate(quick):
        assert call.result(timeout=20)[0][0].endswith(f"quick {n}")
    assert not any(call.done() for call in slow)
    stack.control("/_release")
    for n, call in enumerate(slow):
        assert call.result(timeout=20)[0][0].endswith(f"slow {n}")


def test_failures_are_errors_with_codes(stack: Stack) -> None:
    assert "LLM_INVALID_INPUT: row 0: max_tokens must be 1 to 8192" in fails(stack, "x", max_tokens=[0])
    stack.control("/_faults", [{"action": "status", "status": 503, "match": "bad"}])
    error = fails(stack, "good", "bad")
    assert "UNAVAILABLE" in error
    assert "LLM_UPSTREAM_ERROR: row 1 of 2 (from 0): the upstream failed (HTTP 503" in error
    status, answer = stack.server.post(
        "/v2/models/llm-backend/infer",
        {"inputs": [{"name": "prompt", "shape": [1, 1], "datatype": "BYTES", "data": ["bad"]}]},
    )
    assert status == 503
    assert answer["error"].startswith("LLM_UPSTREAM_ERROR: ")


def test_key_rotation_and_secrecy(stack: Stack) -> None:
    try:
        stack.simulator_key.write_text(KEYS[1])
        error = fails(stack, "x")
        assert "LLM_UNAUTHORIZED" in error
        stack.model_key.write_text(KEYS[1])
        assert stack.infer("x")[1][0][3] == 1
    finally:
        for file in (stack.simulator_key, stack.model_key):
            file.write_text(KEYS[0])
    stack.infer("x")
    seen = error + stack.metrics() + stack.server.log.read_text()
    assert "API key changed" in seen
    for key in KEYS:
        assert key not in seen


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_conversations_are_the_callers_own(stack: Stack, protocol: str) -> None:
    def turns(caller: str) -> int:
        headers = {"X-Caller-ID": caller, "X-Conversation-Id": protocol}
        if protocol == "grpc":
            stack.infer("hi", headers={name.lower(): value for name, value in headers.items()})
        else:
            assert "outputs" in post(stack, headers, {})
        return len(stack.control("/_calls", method="GET")["calls"][-1]["messages"])

    assert [turns("alice"), turns("alice"), turns("bob"), turns("alice")] == [1, 3, 1, 5]


def test_a_caller_written_into_the_request_does_not_pass(stack: Stack) -> None:
    headers = {"x-caller-id": "mallory", "x-conversation-id": "http"}
    for name in ("x-caller-id", "X-Caller-Id"):
        assert "x-caller-id is given twice" in post(stack, headers, {name: "alice"})["error"]


def test_a_client_that_goes_away_stops_its_upstream_call(stack: Stack) -> None:
    stack.control("/_faults", [{"action": "hold"}])
    call = stack.start("never mind")
    until(lambda: stack.control("/_held", method="GET")["held"] == 1)
    call.cancel()
    until(lambda: stack.control("/_calls", method="GET")["calls"][0]["outcome"] == "abandoned")


def test_metrics_are_exported(stack: Stack) -> None:
    def value(name: str, labels: str = "") -> float:
        found = re.search(rf"^{name}{{{labels}.*}} (\S+)$", stack.metrics(), re.MULTILINE)
        return float(found[1]) if found else -1.0

    before = value("llm_requests_total", 'model="llm-backend",outcome="ok"')
    stack.infer("count me")
    until(lambda: value("llm_requests_total", 'model="llm-backend",outcome="ok"') > before)
    until(lambda: value("llm_cost_usd_total") > 0)
    assert value("llm_breaker_state") == 0
    assert value("llm_rows_pending") >= 0


def post(stack: Stack, headers: dict[str, str], parameters: dict[str, str]) -> dict[str, Any]:
    """Ask over HTTP with these headers and request parameters."""
    body = {
        "inputs": [{"name": "prompt", "shape": [1, 1], "datatype": "BYTES", "data": ["hi"]}],
        "parameters": parameters,
    }
    url = f"http://127.0.0.1:{stack.server.http_port}/v2/models/llm-backend/infer"
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=20
        ) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)
