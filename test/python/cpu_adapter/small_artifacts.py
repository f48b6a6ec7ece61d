"""Artifacts that are small enough to see through, for the tests of the CPU adapter."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper

FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING


class Named(torch.nn.Module):
    def forward(self, left: torch.Tensor, right: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """left - right, and which of the two differences is larger."""
        difference = left - right
        return difference, difference.argmax(dim=1, keepdim=True)


def write(folder: Path) -> None:
    value = helper.make_tensor_value_info
    _save(
        folder / "arithmetic.onnx",
        [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Identity", ["text"], ["echo"])],
        [value("a", FLOAT, ["n", "m"]), value("b", FLOAT, ["n", "m"]), value("text", STRING, ["n", 1])],
        [value("sum", FLOAT, ["n", "m"]), value("echo", STRING, ["n", 1])],
    )
    _save(
        folder / "lookup.onnx",
        [helper.make_node("Gather", ["table", "index"], ["value"])],
        [value("index", INT64, ["n"])],
        [value("value", FLOAT, ["n"])],
        [helper.make_tensor("table", FLOAT, [3], [10, 20, 30])],
    )
    _save(
        folder / "unbatched.onnx",
        [helper.make_node("ReduceSum", ["x", "axis"], ["total"], keepdims=0)],
        [value("x", FLOAT, [2, "m"])],
        [value("total", FLOAT, [2])],
        [helper.make_tensor("axis", INT64, [1], [1])],
    )
    torch.jit.script(Named()).save(str(folder / "named.pt"))


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    tensors: list[onnx.TensorProto] | None = None,
) -> None:
    graph = helper.make_graph(nodes, path.stem, inputs, outputs, tensors or [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
