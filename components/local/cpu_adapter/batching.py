"""Runs what Triton hands over as a batch: requests are joined along the batch axis, run once and split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .config import NUMPY_TYPES, Config
from .engines import Engine, last_line, output_mismatches

Outputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Request:
    """Inputs by name, strings as bytes, and the names of the outputs that the client wants."""

    inputs: Mapping[str, np.ndarray]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Failure:
    """Why a request has no outputs."""

    message: str


def run(engine: Engine, config: Config, requests: Sequence[Request]) -> list[Outputs | Failure]:
    """One result per request, in the order of the requests; never raises for what a request holds.

    Requests with the same inputs and the same shapes after the batch axis share one run; without a batch axis
    every request has its own. What fails, fails for the requests of that run only. Strings come back as
    bytes.
    """
    results: dict[int, Outputs | Failure] = {}
    groups: dict[object, list[int]] = {}
    decoded: dict[int, dict[str, np.ndarray]] = {}
    for index, request in enumerate(requests):
        try:
            decoded[index] = {name: _decoded(name, array) for name, array in request.inputs.items()}
        except ValueError as error:  # of this request alone: others in the batch are not to suffer
            results[index] = Failure(str(error))
            continue
        shapes = sorted((name, array.shape[1:]) for name, array in request.inputs.items())
        groups.setdefault(tuple(shapes) if config.has_batch_axis else index, []).append(index)

    for members in groups.values():
        try:
            split = _run_group(
                engine, config, [decoded[i] for i in members], [requests[i].outputs for i in members]
            )
        except Exception as error:  # runtimes raise classes of their own; the server must live on
            split = [Failure(f"the model failed: {last_line(error)}")] * len(members)
        results.update(zip(members, split, strict=True))
    return [results[index] for index in range(len(requests))]


def _run_group(
    engine: Engine, config: Config, inputs: list[dict[str, np.ndarray]], wanted: list[tuple[str, ...]]
) -> list[Outputs]:
    names = [tensor.name for tensor in config.outputs if any(tensor.name in outputs for outputs in wanted)]
    if len(inputs) == 1:
        joined = inputs[0]
    else:
        joined = {name: np.concatenate([one[name] for one in inputs]) for name in inputs[0]}
    # Every input of a request has the same number of rows: Triton has checked it.
    sizes = [len(next(iter(one.values()))) for one in inputs] if config.has_batch_axis else []
    results = engine.run(joined, names)

    by_name = {tensor.name: tensor for tensor in config.outputs}
    total = sum(sizes) if config.has_batch_axis else None
    for name in names:
        array = results[name] if by_name[name].data_type != "STRING" else _encoded(results[name])
        problems = output_mismatches(by_name[name], array, total)
        if problems:
            raise ValueError("; ".join(problems))
        results[name] = array
    if not config.has_batch_axis:
        return [{name: results[name] for name in wanted[0]}]
    ends = np.cumsum(sizes)
    return [
        {name: results[name][end - size : end] for name in outputs}
        for outputs, size, end in zip(wanted, sizes, ends, strict=True)
    ]


def _decoded(name: str, array: np.ndarray) -> np.ndarray:
    """Bytes objects as str; other arrays as they are. Raises ValueError for what is no UTF-8."""
    if array.dtype != NUMPY_TYPES["STRING"]:
        return array
    try:
        texts = [value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in array.flat]
    except UnicodeDecodeError as error:
        raise ValueError(f"input '{name}' is not UTF-8: {error.reason} at byte {error.start}") from error
    return _objects(texts, array.shape)


def _encoded(array: np.ndarray) -> np.ndarray:
    """str objects as bytes, which is what goes over the wire."""
    values = [value.encode("utf-8") if isinstance(value, str) else value for value in array.flat]
    return _objects(values, array.shape)


def _objects(values: list[str] | list[bytes], shape: tuple[int, ...]) -> np.ndarray:
    # Filled in place: np.array(values) would make fixed-width text, which drops trailing NULs.
    result = np.empty(len(values), np.object_)
    result[:] = values
    return result.reshape(shape)
