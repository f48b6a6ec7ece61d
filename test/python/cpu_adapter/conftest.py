from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# The adapter's own modules, as the package that Triton makes of a version folder.
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "components" / "local"))

import triton_server
from triton_server import TritonServer

ARITHMETIC = """
backend: "onnxruntime"
max_batch_size: 16
input [
  { name: "a" data_type: TYPE_FP32 dims: [ -1 ] },
  { name: "b" data_type: TYPE_FP32 dims: [ -1 ] },
  { name: "text" data_type: TYPE_STRING dims: [ 1 ] }
]
output [
  { name: "sum" data_type: TYPE_FP32 dims: [ -1 ] },
  { name: "echo" data_type: TYPE_STRING dims: [ 1 ] }
]
instance_group [ { kind: KIND_CPU count: 1 } ]
# Long enough for a busy machine to send eight requests; they are run as soon as the eighth is there.
dynamic_batching { preferred_batch_size: [ 8 ] max_queue_delay_microseconds: 3000000 }
"""
LOOKUP = """
backend: "onnxruntime"
max_batch_size: 16
input [ { name: "index" data_type: TYPE_INT64 dims: [ 1 ] reshape { shape: [ ] } } ]
output [ { name: "value" data_type: TYPE_FP32 dims: [ 1 ] reshape { shape: [ ] } } ]
instance_group [ { kind: KIND_CPU count: 1 } ]
"""
UNBATCHED = """
backend: "onnxruntime"
max_batch_size: 0
input [ { name: "x" data_type: TYPE_FP32 dims: [ 2, -1 ] } ]
output [ { name: "total" data_type: TYPE_FP32 dims: [ 2 ] } ]
instance_group [ { kind: KIND_CPU count: 1 } ]
"""
# The second value of forward stands first: positions come from the names, not from the order in the config.
NAMED = """
backend: "pytorch"
max_batch_size: 8
input [
  { name: "right" data_type: TYPE_FP32 dims: [ 2 ] },
  { name: "left" data_type: TYPE_FP32 dims: [ 2 ] }
]
output [
  { name: "OUTPUT__1" data_type: TYPE_INT64 dims: [ 1 ] },
  { name: "OUTPUT__0" data_type: TYPE_FP32 dims: [ 2 ] }
]
instance_group [ { kind: KIND_CPU count: 1 } ]
"""
MISMATCHED = """
backend: "onnxruntime"
max_batch_size: 16
input [
  { name: "a" data_type: TYPE_INT32 dims: [ -1 ] },
  { name: "b" data_type: TYPE_FP32 dims: [ 3, 3 ] }
]
output [ { name: "difference" data_type: TYPE_FP32 dims: [ -1 ] } ]
instance_group [ { kind: KIND_CPU count: 1 } ]
"""


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with arithmetic.onnx, lookup.onnx, unbatched.onnx and named.pt."""
    if missing := triton_server.missing_for_models():
        pytest.skip(missing)
    import small_artifacts

    folder = tmp_path_factory.mktemp("artifacts")
    small_artifacts.write(folder)
    return folder


@pytest.fixture(scope="session")
def server(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """tritonserver with the small models loaded, and 'mismatched' in its repository."""
    folder = tmp_path_factory.mktemp("adapter")
    repository = folder / "repository"
    models = {
        "arithmetic": (ARITHMETIC, "arithmetic.onnx"),
        "lookup": (LOOKUP, "lookup.onnx"),
        "unbatched": (UNBATCHED, "unbatched.onnx"),
        "named": (NAMED, "named.pt"),
        "mismatched": (MISMATCHED, "arithmetic.onnx"),
    }
    for name, (config, artifact) in models.items():
        triton_server.add_adapted_model(repository, name, config, artifacts / artifact)
    load = [f"--load-model={name}" for name in models if name != "mismatched"]
    flags = ["--model-control-mode=explicit", *load]
    with triton_server.serve(repository, folder / "server", *flags) as running:
        yield running
