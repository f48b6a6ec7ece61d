from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "models" / "text-tokenizer"))

import triton_server
from triton_server import ROOT, TritonServer

CONFIGS = Path(__file__).parent / "configs"
MODELS = ROOT / "models"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    """tritonserver with the committed artifacts of the text models."""
    if missing := triton_server.missing_for_models():
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("text-models")
    repository = folder / "repository"
    for name, artifact, extra in (
        ("embedding-model", "model.onnx", ()),
        ("text-tokenizer", "model.onnx", ()),
        ("text-classifier", "model.pt", (MODELS / "text-classifier" / "labels.txt",)),
        ("text-labels", "model.onnx", ()),
    ):
        config = (CONFIGS / f"{name}.pbtxt").read_text(encoding="utf-8")
        triton_server.add_adapted_model(repository, name, config, MODELS / name / "1" / artifact, extra=extra)
    # Triton wants a version folder even for a model without files.
    (repository / "text-analysis" / "1").mkdir(parents=True)
    config = (CONFIGS / "text-analysis.pbtxt").read_text(encoding="utf-8")
    (repository / "text-analysis" / "config.pbtxt").write_text(config, encoding="utf-8")
    with triton_server.serve(repository, folder / "server") as running:
        yield running
