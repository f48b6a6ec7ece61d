"""The configs that the server tests use say what the specs say."""

from __future__ import annotations

import re

import pytest
from triton_server import ROOT

yaml = pytest.importorskip("yaml")
CONFIGS = sorted((ROOT / "test" / "python" / "models" / "configs").glob("*.pbtxt"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_agrees_with_spec(path: object) -> None:
    spec = yaml.safe_load((ROOT / "models" / path.stem / "model.yaml").read_text(encoding="utf-8"))
    text = path.read_text(encoding="utf-8")
    tensors = re.findall(r'name: "([^"]+)" data_type: TYPE_(\w+) dims: \[ (\d+) \]', text)
    wanted = [(t["name"], t["dataType"], str(t["dims"][0])) for t in spec["inputs"] + spec["outputs"]]
    assert tensors == wanted
    assert f"max_batch_size: {spec['maxBatchSize']}\n" in text
    assert ('platform: "ensemble"' if "ensemble" in spec else f'backend: "{spec["backend"]}"') in text
    for step in spec.get("ensemble", {}).get("steps", []):
        for key, value in (step["inputs"] | step["outputs"]).items():
            assert f'key: "{key}" value: "{value}"' in text
