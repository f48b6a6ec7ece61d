"""Runs an artifact on the CPU: onnxruntime for ONNX, PyTorch for TorchScript, behind one interface.

Arrays have the types of `config.NUMPY_TYPES`; strings are `str` in both directions. onnxruntime and torch are
imported by the engine that needs them: a server with ONNX models only needs no torch.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .config import NUMPY_TYPES, Config, Tensor

if TYPE_CHECKING:
    import onnxruntime
    import torch

# The artifact's element types as onnxruntime names them.
_ONNX_TYPES = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "STRING",
}


# Strings reach TorchScript as lists on a GPU host; the adapter passes tensors only.
_NOT_IN_TORCH = ("STRING", "UINT16", "UINT32", "UINT64")


class LoadError(RuntimeError):
    """The artifact cannot be loaded, or is not what the config says."""


class Engine(Protocol):
    """A loaded artifact."""

    def run(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Computes the named outputs; raises whatever the runtime raises."""
        ...


def load(config: Config, folder: Path) -> Engine:
    """Loads `folder`/`config.artifact`; raises LoadError with all in which it differs from the config."""
    path = folder / config.artifact
    if not path.is_file():
        raise LoadError(f"{path} does not exist")
    return OnnxEngine(config, path) if config.backend == "onnxruntime" else TorchEngine(config, path)


class OnnxEngine:
    """An ONNX model on onnxruntime's CPU provider."""

    def __init__(self, config: Config, path: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise LoadError(f"{error}: install onnxruntime (see requirements.txt)") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = config.threads
        options.inter_op_num_threads = config.threads
        # Idle threads would otherwise keep a core busy for a while, which the models beside this one need.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exceptions have no base class of their own
            raise LoadError(f"onnxruntime cannot load {path.name}: {error}") from error
        problems = self._mismatches(config)
        if problems:
            raise LoadError(f"{path.name} is not what the config says: {'; '.join(problems)}")

    def run(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Computes the named outputs; raises onnxruntime's exceptions."""
        return dict(zip(outputs, self._session.run(list(outputs), dict(inputs)), strict=True))

    def _mismatches(self, config: Config) -> list[str]:
        required = {node.name: node for node in self._session.get_inputs()}
        # Inputs with a default inside the model; the config may leave them out.
        defaulted = {node.name: node for node in self._session.get_overridable_initializers()}
        outputs = {node.name: node for node in self._session.get_outputs()}
        problems = []
        for kind, tensors, nodes in (
            ("input", config.inputs, required | defaulted),
            ("output", config.outputs, outputs),
        ):
            for tensor in tensors:
                if tensor.name in nodes:
                    problems += _onnx_mismatches(kind, tensor, nodes[tensor.name], config.has_batch_axis)
                else:
                    known = ", ".join(nodes) or "none"
                    problems.append(f"{kind} '{tensor.name}' is not in the model, whose {kind}s are: {known}")
        optional = [tensor.name for tensor in config.inputs if tensor.optional and tensor.name in required]
        problems += [
            f"input '{name}' is optional in the config and required by the model" for name in optional
        ]
        missing = required.keys() - {tensor.name for tensor in config.inputs}
        problems += [f"the model's input '{name}' is not in the config" for name in sorted(missing)]
        return problems


def _onnx_mismatches(kind: str, tensor: Tensor, node: onnxruntime.NodeArg, has_batch_axis: bool) -> list[str]:
    problems = []
    data_type = _ONNX_TYPES.get(node.type, node.type)
    if data_type != tensor.data_type:
        problems.append(
            f"{kind} '{tensor.name}' is {tensor.data_type} in the config and {data_type} in the model"
        )
    # A named dimension is as free as one without a name.
    dims = [dim if isinstance(dim, int) and dim >= 0 else -1 for dim in node.shape]
    if has_batch_axis:
        if not dims or dims[0] != -1:
            problems.append(
                f"{kind} '{tensor.name}' has dims {dims} in the model: the first must be free to batch"
            )
            return problems
        dims = dims[1:]
    # The model may be freer than the config, not stricter: a config of -1 would let shapes in that it
    # refuses.
    if len(dims) != len(tensor.dims) or any(
        have not in (-1, want) for have, want in zip(dims, tensor.dims, strict=True)
    ):
        where = "the model after its batch axis" if has_batch_axis else "the model"
        problems.append(
            f"{kind} '{tensor.name}' has dims {list(tensor.dims)} in the config and {dims} in {where}"
        )
    return problems


class TorchEngine:
    """A TorchScript module on the CPU.

    Tensors are matched as Triton's PyTorch backend does it: inputs by the names of forward's arguments, or by
    the number in NAME__<number>; outputs by the number in NAME__<number>, by key where forward returns a
    dictionary, else in the config's order.
    """

    def __init__(self, config: Config, path: Path) -> None:
        try:
            import torch
        except ImportError as error:
            raise LoadError(f"{error}: install Debian's python3-torch, or any PyTorch") from error
        torch.set_num_threads(config.threads)
        self._torch = torch
        self._config = config
        try:
            self._module = torch.jit.load(str(path), map_location="cpu").eval()
        except Exception as error:  # RuntimeError, ValueError and what the archive's readers raise
            raise LoadError(f"torch cannot load {path.name}: {error}") from error
        arguments = [one for one in self._module.forward.schema.arguments if one.name != "self"]
        problems = [
            f"'{tensor.name}' is {tensor.data_type}, which no tensor of PyTorch holds"
            for tensor in (*config.inputs, *config.outputs)
            if tensor.data_type in _NOT_IN_TORCH
        ]
        self._arguments = self._argument_names([argument.name for argument in arguments], problems)
        given = set(self._arguments.values())
        problems += [
            f"forward's argument '{argument.name}' is no input in the config"
            for argument in arguments
            if argument.name not in given and not argument.has_default_value()
        ]
        self._positions = self._output_positions()
        if not problems:
            problems = self._trial()
        if problems:
            raise LoadError(f"{path.name} is not what the config says: {'; '.join(problems)}")

    def run(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Computes all outputs, as forward does, and returns the named ones; raises torch's exceptions."""
        torch = self._torch
        arguments = {
            # torch wants memory that it may write to; Triton's input buffers are read-only.
            self._arguments[name]: torch.from_numpy(np.array(array, copy=True))
            for name, array in inputs.items()
        }
        with torch.no_grad():
            result = self._module(**arguments)
        return {name: self._pick(result, name).detach().contiguous().numpy() for name in outputs}

    def _pick(self, result: object, name: str) -> torch.Tensor:
        if isinstance(result, dict):
            if name not in result:
                raise ValueError(f"forward returns {sorted(result)}, not '{name}'")
            value = result[name]
        else:
            values = result if isinstance(result, tuple | list) else (result,)
            position = self._positions[name]
            if position >= len(values):
                raise ValueError(
                    f"forward returns {len(values)} values, so there is none for output '{name}'"
                )
            value = values[position]
        if not isinstance(value, self._torch.Tensor):
            raise ValueError(f"forward returns a {type(value).__name__} for output '{name}', not a tensor")
        return value

    def _argument_names(self, arguments: list[str], problems: list[str]) -> dict[str, str]:
        """The config's input → forward's argument."""
        names = {}
        for tensor in self._config.inputs:
            number = _number(tensor.name)
            if tensor.name in arguments:
                names[tensor.name] = tensor.name
            elif number is not None and number < len(arguments):
                names[tensor.name] = arguments[number]
            else:
                problems.append(
                    f"input '{tensor.name}' is no argument of forward({', '.join(arguments)}), nor its number"
                )
        if len(set(names.values())) < len(names):
            problems.append(f"two inputs mean the same argument: {names}")
        return names

    def _output_positions(self) -> dict[str, int]:
        names = [tensor.name for tensor in self._config.outputs]
        numbers = [_number(name) for name in names]
        if None in numbers:
            return {name: position for position, name in enumerate(names)}
        return dict(zip(names, numbers, strict=True))

    def _trial(self) -> list[str]:
        """Problems of one run on zeros, since a TorchScript file says nothing of types and shapes.

        Not done where a dimension is free, since zeros of an arbitrary size prove nothing; results are
        compared with the config in every run anyway. It also does the first, slow run before the first
        request comes.
        """
        tensors = [tensor for tensor in self._config.inputs if not tensor.optional]
        if any(dim == -1 for tensor in tensors for dim in tensor.dims):
            return []
        batch = (1,) if self._config.has_batch_axis else ()
        zeros = {
            tensor.name: np.zeros((*batch, *tensor.dims), NUMPY_TYPES[tensor.data_type]) for tensor in tensors
        }
        problems = []
        for tensor in self._config.outputs:
            try:
                result = self.run(zeros, [tensor.name])[tensor.name]
            except Exception as error:
                problems.append(f"output '{tensor.name}' of zeros: {last_line(error)}")
            else:
                problems += output_mismatches(tensor, result, 1 if self._config.has_batch_axis else None)
        return problems


def output_mismatches(tensor: Tensor, array: np.ndarray, rows: int | None) -> list[str]:
    """How a computed output differs from the config. rows: size of the batch axis, None without one."""
    problems = []
    if array.dtype != NUMPY_TYPES[tensor.data_type]:
        problems.append(
            f"output '{tensor.name}' is {tensor.data_type} in the config and came as {array.dtype}"
        )
    want = tensor.dims if rows is None else (rows, *tensor.dims)
    if len(want) != array.ndim or any(w not in (-1, have) for w, have in zip(want, array.shape, strict=True)):
        problems.append(
            f"output '{tensor.name}' has shape {list(want)} by the config and came as {list(array.shape)}"
        )
    return problems


def last_line(error: Exception) -> str:
    """An exception in one line: TorchScript's messages end with the cause, after a trace of the code."""
    lines = [line.strip() for line in inspect.cleandoc(str(error)).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _number(name: str) -> int | None:
    """2 for "INPUT__2", None for a name of another form."""
    match = re.fullmatch(r".+__(\d+)", name)
    return int(match[1]) if match else None
