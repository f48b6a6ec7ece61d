"""What the build scripts write: the same bytes in every run, and models that are good enough."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import triton_server
from triton_server import ROOT

MODELS = ROOT / "models"
ARTIFACTS = {
    "embedding-model": "model.onnx",
    "text-tokenizer": "model.onnx",
    "text-classifier": "model.pt",
    "text-labels": "model.onnx",
}
RELATED = [
    ("The kitten chased a mouse.", "A puppy wagged its tail."),
    ("He scored a goal in the final.", "Our striker celebrated with his team."),
    ("Doctors treat the flu.", "Nurses cared for patients at a clinic."),
    ("Interest is rising again.", "Mortgages get expensive and loans are costly."),
    ("The chef baked bread.", "A recipe for soup with carrots and onions."),
    ("Astronauts orbit Mars.", "The telescope shows distant galaxies."),
    ("A thief was arrested.", "The judge sentenced that burglar to prison."),
    ("We booked a room in a hotel.", "Tourists sunbathe on their vacation."),
]

if missing := triton_server.missing_for_models():
    pytest.skip(missing, allow_module_level=True)


def build(models: Path, name: str, out: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(models / name / "build.py"), "--out", str(out)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def embed(*texts: str) -> np.ndarray:
    import onnxruntime

    model = MODELS / "embedding-model" / "1" / "model.onnx"
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {"input_text": np.array(texts, np.object_).reshape(-1, 1)})[0]


@pytest.mark.build
@pytest.mark.parametrize("name", ARTIFACTS)
def test_two_builds_give_the_same_bytes(name: str, tmp_path: Path) -> None:
    # Another checkout and another order of hash sets must not show in the artifact either.
    copy = tmp_path / "elsewhere" / "models"
    shutil.copytree(MODELS, copy, ignore=shutil.ignore_patterns("1", "__pycache__"))
    digests = []
    for models, seed in ((MODELS, "1"), (copy, "2")):
        out = tmp_path / seed
        built = build(models, name, out, PYTHONHASHSEED=seed)
        assert built.returncode == 0, built.stderr
        digests.append(hashlib.sha256((out / "1" / ARTIFACTS[name]).read_bytes()).hexdigest())
    assert digests[0] == digests[1]


@pytest.mark.build
def test_the_classifier_is_right_on_sentences_it_has_not_seen(tmp_path: Path) -> None:
    built = build(MODELS, "text-classifier", tmp_path)
    accuracy = re.search(r"100 held-out sentences, accuracy (\d\.\d+)", built.stdout)
    assert accuracy, built.stdout
    assert float(accuracy[1]) > 0.85


@pytest.mark.parametrize(
    ("name", "module", "hint"),
    [("text-classifier", "torch", "python3-torch"), ("embedding-model", "onnx", "requirements.txt")],
)
def test_a_missing_package_is_one_clear_line(name: str, module: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / f"{module}.py").write_text(f"raise ImportError('No module named {module}')\n")
    built = build(MODELS, name, tmp_path, PYTHONPATH=str(tmp_path))
    assert built.returncode == 1
    assert built.stderr.count("\n") == 1
    assert hint in built.stderr
    assert not (tmp_path / "1").exists()


def test_related_sentences_are_closer_than_unrelated_ones() -> None:
    left, right = embed(*(pair[0] for pair in RELATED)), embed(*(pair[1] for pair in RELATED))
    similarity = left @ right.T
    related = np.diag(similarity)
    unrelated = similarity[~np.eye(len(RELATED), dtype=bool)]
    assert related.min() > 0.3
    assert related.min() > unrelated.max()
    assert related.mean() > unrelated.mean() + 0.4


def test_related_pairs_share_no_telling_word() -> None:
    for one, other in RELATED:
        common = set(re.findall(r"\w+", one.lower())) & set(re.findall(r"\w+", other.lower()))
        assert common <= {"a", "the", "of", "in"}


def test_embeddings_have_length_one_whatever_the_text() -> None:
    vectors = embed("", "   ", "zzz qqq", "日本語", "the", "Bread!", "bread " * 1000, "\x00")
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_texts_without_known_words_are_like_each_other_and_like_nothing_else() -> None:
    empty, unknown, bread = embed("", "zzz qqq", "Bread!")
    assert empty @ unknown == 1
    assert empty @ bread == 0


def test_case_punctuation_padding_and_unknown_words_change_nothing() -> None:
    plain, *others = embed(
        "bread and cake", "BREAD, and (cake)!", "zzz bread qqq and cake", "bread and cake\n\n"
    )
    for other in others:
        np.testing.assert_allclose(other, plain, atol=1e-6)
    # Twice the words leave less padding: were padding part of the mean, the vector would turn.
    np.testing.assert_allclose(embed("bread and cake bread and cake")[0], plain, atol=1e-6)
