from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from llm_proxy.errors import TRAITS, Code, LlmError
from llm_proxy.settings import Settings
from llm_proxy.tensors import Tensors, identity
from llm_proxy.upstream import Ask, Completion


class FakeRequest:
    def __init__(self, parameters: str = "{}", **tensors: Any) -> None:  # noqa: ANN401
        self._parameters = parameters
        self._tensors = tensors

    def inputs(self) -> list[Any]:
        return [
            SimpleNamespace(name=lambda name=name: name, as_numpy=lambda value=value: value)
            for name, value in self._tensors.items()
        ]

    def parameters(self) -> str:
        return self._parameters


def prompts(*texts: bytes) -> np.ndarray:
    return np.array([[text] for text in texts], dtype=np.object_)


def fp32(*values: float) -> np.ndarray:
    return np.array([[value] for value in values], dtype=np.float32)


def int32(*values: int) -> np.ndarray:
    return np.array([[value] for value in values], dtype=np.int32)


@pytest.fixture
def tensors() -> Tensors:
    pb_utils = SimpleNamespace(
        Tensor=lambda name, value: (name, value),
        InferenceResponse=lambda **fields: fields,
        TritonError=lambda message, code: (message, code),
    )
    return Tensors(pb_utils, Settings(max_tokens_limit=4096, max_prompt_bytes=20))


def test_defaults_and_given_values(tensors: Tensors) -> None:
    assert tensors.read(FakeRequest(prompt=prompts(b"hi"))).asks == [Ask("hi", 2048, 0.7)]
    request = FakeRequest(
        prompt=prompts(b"a", "ü".encode()), max_tokens=int32(1, 4096), temperature=fp32(0.1, 2)
    )
    assert tensors.read(request).asks == [Ask("a", 1, 0.1), Ask("ü", 4096, 2.0)]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"prompt": prompts(b"a", b"")}, "row 1: prompt is empty"),
        ({"prompt": prompts(b"x" * 21)}, "row 0: prompt has 21 bytes of at most 20"),
        ({"prompt": prompts(b"\xff")}, "row 0: prompt is not UTF-8"),
        ({"prompt": prompts(b"a"), "max_tokens": int32(0)}, "row 0: max_tokens must be 1 to 4096, got 0"),
        ({"prompt": prompts(b"a"), "max_tokens": int32(4097)}, "got 4097"),
        ({"prompt": prompts(b"a"), "temperature": fp32(-0.1)}, "row 0: temperature must be 0 to 2, got -0.1"),
        ({"prompt": prompts(b"a"), "temperature": fp32(2.1)}, "got 2.1"),
        ({"prompt": prompts(b"a"), "temperature": fp32(float("nan"))}, "got nan"),
    ],
)
def test_invalid_inputs(tensors: Tensors, inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(LlmError) as caught:
        tensors.read(FakeRequest(**inputs))
    assert str(caught.value).startswith("LLM_INVALID_INPUT: ")
    assert message in str(caught.value)


def test_response_has_a_row_per_answer(tensors: Tensors) -> None:
    outputs = dict(tensors.response([Completion("ü", 1, 2, 3), Completion("b", 4, 5, 9)])["output_tensors"])
    assert outputs["generated_text"].tolist() == [["ü".encode()], [b"b"]]
    assert outputs["usage"].tolist() == [[1, 2, 3, 1], [4, 5, 9, 1]]
    assert outputs["usage"].dtype == np.int32


def test_every_code_has_traits_and_a_triton_code(tensors: Tensors) -> None:
    assert set(TRAITS) == set(Code)
    names = ("INVALID_ARG", "INTERNAL", "UNAVAILABLE", "CANCELLED")
    error = SimpleNamespace(**{name: name for name in names})
    tensors._pb.TritonError = type("TritonError", (), vars(error) | {"__init__": lambda *_: None})
    for code in Code:
        assert tensors.failure(LlmError(code, "x"))


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("", ("", None)),
        ("{}", ("", None)),
        ('{"x-caller-id": "a", "x-conversation-id": "1"}', ("a", "1")),
        ('{"X-Caller-ID": "a", "X-CONVERSATION-ID": "1", "other": 5}', ("a", "1")),
        ('{"x-caller-id": "a", "X-Caller-Id": "a"}', ("a", None)),
        ('{"x-conversation-id": ""}', ("", None)),
    ],
)
def test_identity(parameters: str, expected: tuple[str, str | None]) -> None:
    assert identity(parameters) == expected


@pytest.mark.parametrize(
    "parameters",
    [
        '{"x-caller-id": "victim", "x-caller-id": "me"}',
        '{"x-caller-id": "me", "X-Caller-Id": "victim"}',
        '{"x-caller-id": 7}',
        json.dumps({"x-conversation-id": "x" * 257}),
    ],
)
def test_ambiguous_or_odd_identities_are_refused(parameters: str) -> None:
    with pytest.raises(LlmError, match="LLM_INVALID_INPUT"):
        identity(parameters)
