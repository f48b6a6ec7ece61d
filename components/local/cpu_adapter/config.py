"""What the adapter needs of a model's config: tensors, batch axis and the adapter's own parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# Triton's data types as numpy holds them. Strings are objects: bytes from Triton, str inside onnxruntime.
# BF16 is missing: numpy has no such type.
NUMPY_TYPES: dict[str, np.dtype] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "STRING": np.dtype(np.object_),
}

DEFAULT_ARTIFACTS = {"onnxruntime": "model.onnx", "pytorch": "model.pt"}


class ConfigError(ValueError):
    """The config asks for something that the adapter cannot do."""


@dataclass(frozen=True)
class Tensor:
    """An input or output as the config states it.

    data_type: without "TYPE_": "FP32", "STRING" … dims: without the batch axis, -1 for any size; those of
    `reshape` where the config has one, since they are what
        a backend gets to see.
    """

    name: str
    data_type: str
    dims: tuple[int, ...]
    optional: bool = False


@dataclass(frozen=True)
class Config:
    """A model's config as far as the adapter reads it. max_batch_size 0: the tensors have no batch axis."""

    max_batch_size: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    backend: str
    artifact: str
    threads: int = 1

    @property
    def has_batch_axis(self) -> bool:
        """Whether axis 0 of every tensor counts requests' rows."""
        return self.max_batch_size > 0


def read(model_config: Mapping[str, Any]) -> Config:
    """Reads Triton's JSON form of a model's config; raises ConfigError."""
    parameters = {key: value["string_value"] for key, value in model_config.get("parameters", {}).items()}
    backend = parameters.get("cpu_adapter_backend", "")
    if backend not in DEFAULT_ARTIFACTS:
        known = " or ".join(f"'{name}'" for name in DEFAULT_ARTIFACTS)
        raise ConfigError(f"parameter cpu_adapter_backend is '{backend}': it must be {known}")
    threads = parameters.get("cpu_adapter_threads", "1")
    if not threads.isascii() or not threads.isdigit() or int(threads) < 1:
        raise ConfigError(f"parameter cpu_adapter_threads is '{threads}': it must be a positive integer")
    return Config(
        max_batch_size=int(model_config.get("max_batch_size", 0)),
        inputs=tuple(_tensor(tensor) for tensor in model_config["input"]),
        outputs=tuple(_tensor(tensor) for tensor in model_config["output"]),
        backend=backend,
        artifact=parameters.get("cpu_adapter_artifact", DEFAULT_ARTIFACTS[backend]),
        threads=int(threads),
    )


def _tensor(tensor: Mapping[str, Any]) -> Tensor:
    data_type = tensor["data_type"].removeprefix("TYPE_")
    if data_type not in NUMPY_TYPES:
        raise ConfigError(f"tensor '{tensor['name']}' is {data_type}, which the CPU adapter cannot hold")
    dims = tensor["reshape"].get("shape", []) if "reshape" in tensor else tensor["dims"]
    return Tensor(
        tensor["name"], data_type, tuple(int(dim) for dim in dims), bool(tensor.get("optional", False))
    )
