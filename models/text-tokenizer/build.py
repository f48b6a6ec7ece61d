"""Builds the tokenizer of the text classifier: text → 32 word ids, as an ONNX model of standard operators.

    python models/text-tokenizer/build.py --out DIR      writes DIR/1/model.onnx

The vocabulary is `vocabulary.txt` beside this file, which `text-classifier/build.py` trains with: line n is
the word with id n + 1 (0 is padding, 1 an unknown word). It is a file of its own, and only ever appended to,
so that a tokenizer and a classifier built on different days still agree on every id. `extend_vocabulary.py`
appends to it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import tokenization

# Longer texts are cut: the classifier reads topics, and the first 32 words say what a text is about.
WIDTH = 32


def build(out: Path) -> Path:
    """Writes `out`/1/model.onnx and returns its path."""
    import onnx
    from onnx import TensorProto, helper

    vocabulary = tokenization.read_vocabulary()
    table = tokenization.lookup_table(vocabulary)
    nodes, initialisers = tokenization.word_id_nodes("text", "ids", table, WIDTH, keep_unknown=True)
    graph = helper.make_graph(
        nodes,
        "text-tokenizer",
        [helper.make_tensor_value_info("text", TensorProto.STRING, ["batch", 1])],
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", WIDTH])],
        initialisers,
    )
    model = helper.make_model(
        graph,
        producer_name="text-tokenizer/build.py",
        ir_version=tokenization.IR_VERSION,
        opset_imports=[
            helper.make_opsetid("", tokenization.OPSET),
            helper.make_opsetid("ai.onnx.ml", tokenization.ML_OPSET),
        ],
    )
    onnx.checker.check_model(model, full_check=True)
    path = out / "1" / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString(deterministic=True))
    print(f"text-tokenizer: {len(vocabulary)} words, {len(table)} with their inflected forms")
    return path


def main() -> int:
    """Runs the build; returns the exit status."""
    parser = argparse.ArgumentParser(description="Builds text-tokenizer as DIR/1/model.onnx.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    arguments = parser.parse_args()
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        print(f"text-tokenizer: {error}: install what requirements.txt lists", file=sys.stderr)
        return 1
    path = build(arguments.out)
    print(f"text-tokenizer: wrote {path} ({path.stat().st_size} bytes)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
