"""The CPU adapter's modules without a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cpu_adapter import batching, config, engines
from cpu_adapter.batching import Failure, Request
from cpu_adapter.config import Config, Tensor


class DoublingEngine:
    """y = 2 x; fails where x holds a negative number. Remembers the shape of every run."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def run(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        self.shapes.append(inputs["x"].shape)
        if (inputs["x"] < 0).any():
            raise ValueError("negative")
        return dict.fromkeys(outputs, inputs["x"] * 2)


DOUBLING = Config(
    8, (Tensor("x", "FP32", (-1,)),), (Tensor("y", "FP32", (-1,)),), "onnxruntime", "model.onnx"
)


def request(rows: int, width: int, value: float) -> Request:
    return Request({"x": np.full((rows, width), value, np.float32)}, ("y",))


def model_config(parameters: dict[str, str]) -> dict[str, object]:
    """The config as Triton hands it to a Python model."""
    return {
        "max_batch_size": 8,
        "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [-1], "optional": False}],
        "output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [-1]}],
        "parameters": {key: {"string_value": value} for key, value in parameters.items()},
    }


def test_equal_shapes_share_a_run_and_keep_their_order() -> None:
    engine = DoublingEngine()
    results = batching.run(engine, DOUBLING, [request(2, 3, 1), request(1, 4, 2), request(3, 3, 5)])
    assert engine.shapes == [(5, 3), (1, 4)]
    assert [(result["y"].shape, result["y"][0, 0]) for result in results] == [
        ((2, 3), 2),
        ((1, 4), 4),
        ((3, 3), 10),
    ]


def test_a_failing_run_fails_its_own_requests_only() -> None:
    results = batching.run(
        DoublingEngine(), DOUBLING, [request(1, 3, 1), request(1, 4, -1), request(1, 3, 2)]
    )
    assert results[1] == Failure("the model failed: negative")
    assert [float(results[i]["y"][0, 0]) for i in (0, 2)] == [2, 4]


def test_without_a_batch_axis_every_request_has_its_own_run() -> None:
    engine = DoublingEngine()
    unbatched = replace(DOUBLING, max_batch_size=0, outputs=(Tensor("y", "FP32", (2, -1)),))
    results = batching.run(engine, unbatched, [request(2, 3, 1), request(2, 3, 2)])
    assert engine.shapes == [(2, 3), (2, 3)]
    assert [result["y"].shape for result in results] == [(2, 3), (2, 3)]


def test_outputs_that_differ_from_the_config_are_errors() -> None:
    fixed = replace(DOUBLING, outputs=(Tensor("y", "FP64", (5,)),))
    (result,) = batching.run(DoublingEngine(), fixed, [request(1, 3, 1)])
    assert isinstance(result, Failure)
    assert "output 'y' is FP64 in the config and came as float32" in result.message
    assert "output 'y' has shape [1, 5] by the config and came as [1, 3]" in result.message


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "cpu_adapter_backend is '': it must be 'onnxruntime' or 'pytorch'"),
        ({"cpu_adapter_backend": "tensorrt"}, "cpu_adapter_backend is 'tensorrt'"),
        ({"cpu_adapter_backend": "pytorch", "cpu_adapter_threads": "0"}, "cpu_adapter_threads is '0'"),
        ({"cpu_adapter_backend": "pytorch", "cpu_adapter_threads": "two"}, "must be a positive integer"),
    ],
)
def test_parameters_are_checked(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(config.ConfigError, match=message):
        config.read(model_config(parameters))


def test_parameters_and_defaults() -> None:
    read = config.read(model_config({"cpu_adapter_backend": "pytorch"}))
    assert (read.artifact, read.threads) == ("model.pt", 1)
    read = config.read(
        model_config(
            {
                "cpu_adapter_backend": "onnxruntime",
                "cpu_adapter_threads": "3",
                "cpu_adapter_artifact": "m.onnx",
            }
        )
    )
    assert (read.artifact, read.threads) == ("m.onnx", 3)


def test_threads_reach_torch(artifacts: Path) -> None:
    import torch

    named = Config(
        max_batch_size=8,
        inputs=(Tensor("INPUT__0", "FP32", (2,)), Tensor("INPUT__1", "FP32", (2,))),
        outputs=(Tensor("OUTPUT__0", "FP32", (2,)),),
        backend="pytorch",
        artifact="named.pt",
        threads=2,
    )
    before = torch.get_num_threads()
    try:
        engine = engines.load(named, artifacts)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    inputs = {"INPUT__0": np.array([[5, 1]], np.float32), "INPUT__1": np.array([[1, 1]], np.float32)}
    np.testing.assert_array_equal(engine.run(inputs, ["OUTPUT__0"])["OUTPUT__0"], [[4, 0]])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outputs": (Tensor("OUTPUT__0", "INT64", (2,)),)}, "is INT64 in the config and came as float32"),
        (
            {"outputs": (Tensor("OUTPUT__0", "FP32", (3,)),)},
            r"has shape \[1, 3\] by the config and came as \[1, 2\]",
        ),
        ({"outputs": (Tensor("OUTPUT__2", "FP32", (2,)),)}, "forward returns 2 values"),
        ({"inputs": (Tensor("left", "FP32", (2,)),)}, "argument 'right' is no input in the config"),
        ({"inputs": (Tensor("middle", "FP32", (2,)),)}, r"'middle' is no argument of forward\(left, right\)"),
        ({"outputs": (Tensor("OUTPUT__0", "STRING", (2,)),)}, "is STRING, which no tensor of PyTorch holds"),
        ({"artifact": "absent.pt"}, "absent.pt does not exist"),
    ],
)
def test_torchscript_is_compared_with_the_config(
    artifacts: Path, changes: dict[str, object], message: str
) -> None:
    named = Config(
        max_batch_size=8,
        inputs=(Tensor("left", "FP32", (2,)), Tensor("right", "FP32", (2,))),
        outputs=(Tensor("OUTPUT__0", "FP32", (2,)),),
        backend="pytorch",
        artifact="named.pt",
    )
    with pytest.raises(engines.LoadError, match=message):
        engines.load(replace(named, **changes), artifacts)
