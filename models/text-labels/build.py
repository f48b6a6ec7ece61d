"""Builds the last step of text-analysis as an ONNX model: probabilities → the best label and its score.

    python models/text-labels/build.py --out DIR         writes DIR/1/model.onnx

The names come from text-classifier's labels.txt, in the order of its outputs; build this model again when
they change.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

LABELS = Path(__file__).resolve().parent.parent / "text-classifier" / "labels.txt"
# Older than the text models' opset on purpose: nothing here needs more, and every onnxruntime in use runs it.
OPSET = 18
IR_VERSION = 8


def build(out: Path) -> Path:
    """Writes `out`/1/model.onnx and returns its path."""
    import onnx
    from onnx import TensorProto, helper

    labels = LABELS.read_text(encoding="utf-8").split()
    graph = helper.make_graph(
        [
            # Of equal probabilities the first label wins.
            helper.make_node("ArgMax", ["probabilities"], ["best"], "best", axis=1, keepdims=1),
            helper.make_node("Gather", ["labels", "best"], ["label"], "label", axis=0),
            helper.make_node("ReduceMax", ["probabilities", "axis_1"], ["score"], "score", keepdims=1),
        ],
        "text-labels",
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", len(labels)])],
        [
            helper.make_tensor_value_info("label", TensorProto.STRING, ["batch", 1]),
            helper.make_tensor_value_info("score", TensorProto.FLOAT, ["batch", 1]),
        ],
        [
            helper.make_tensor(
                "labels", TensorProto.STRING, [len(labels)], [name.encode() for name in labels]
            ),
            helper.make_tensor("axis_1", TensorProto.INT64, [1], [1]),
        ],
    )
    model = helper.make_model(
        graph,
        producer_name="text-labels/build.py",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    onnx.checker.check_model(model, full_check=True)
    path = out / "1" / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))
    print(f"text-labels: {len(labels)} labels: {', '.join(labels)}")
    return path


def main() -> int:
    """Runs the build; returns the exit status."""
    parser = argparse.ArgumentParser(description="Builds text-labels as DIR/1/model.onnx.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    arguments = parser.parse_args()
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        print(f"text-labels: {error}: install what requirements.txt lists", file=sys.stderr)
        return 1
    path = build(arguments.out)
    print(f"text-labels: wrote {path} ({path.stat().st_size} bytes)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
