"""Cutting texts into words: the ONNX nodes of the committed artifact against plain Python."""

from __future__ import annotations

import random

import numpy as np
import pytest
from triton_server import ROOT

onnxruntime = pytest.importorskip("onnxruntime")

import tokenization  # noqa: E402 — found through conftest.py

TOKENIZER = ROOT / "models" / "text-tokenizer"
TABLE = tokenization.lookup_table(tokenization.read_vocabulary())
WIDTH = 32


@pytest.fixture(scope="module")
def session() -> object:
    return onnxruntime.InferenceSession(TOKENIZER / "1" / "model.onnx", providers=["CPUExecutionProvider"])


def ids(session: object, *texts: str) -> list[list[int]]:
    (result,) = session.run(None, {"text": np.array(texts, np.object_).reshape(-1, 1)})
    assert result.shape == (len(texts), WIDTH)
    return result.tolist()


def expected(text: str) -> list[int]:
    found = [TABLE.get(word, tokenization.UNKNOWN_ID) for word in tokenization.words(text)][:WIDTH]
    return found + [tokenization.PADDING_ID] * (WIDTH - len(found))


def test_words_and_punctuation(session: object) -> None:
    bank, rates, team = TABLE["bank"], TABLE["rates"], TABLE["team"]
    (row,) = ids(session, "  Bank,RATES/team's\t“bank”\nxyzzy…TEAM!  ")
    # The "s" of "team's" is a word, though an unknown one.
    unknown = tokenization.UNKNOWN_ID
    assert row[:8] == [bank, rates, team, unknown, bank, unknown, team, tokenization.PADDING_ID]


def test_nothing_to_read_is_padding(session: object) -> None:
    assert ids(session, "", " ", "\n.,;!", "") == [[tokenization.PADDING_ID] * WIDTH] * 4
    assert ids(session, "") == [[tokenization.PADDING_ID] * WIDTH]


def test_onnx_and_python_agree_on_generated_texts(session: object) -> None:
    draw = random.Random(7)
    known = list(TABLE)
    blanks = [" ", "  ", "\n", ".", ", ", "/", "…", "“", "-", "'", "\u00a0", "É", "日本", "🙂"]
    for _ in range(150):
        texts = [
            "".join(draw.choice(known).upper() + draw.choice(blanks) for _ in range(draw.randrange(50)))
            for _ in range(draw.randrange(1, 6))
        ]
        assert ids(session, *texts) == [expected(text) for text in texts]


@pytest.mark.parametrize("text", ["team " * 5000, "/" * 100_000, "a.b/c,d;e " * 10_000, "team." * 20_000])
def test_long_texts_are_cut(session: object, text: str) -> None:
    assert ids(session, text) == [expected(text)]


def test_inflected_forms_share_an_id_unless_they_are_words_themselves() -> None:
    table = tokenization.lookup_table(["score", "stop", "city", "bank", "banks"])
    assert {table[word] for word in ("score", "scores", "scored", "scoring")} == {table["score"]}
    assert table["stopped"] == table["stop"]
    assert table["cities"] == table["city"]
    assert table["banks"] != table["bank"]


def test_the_vocabulary_covers_the_classifier_s_sentences() -> None:
    sentences = (ROOT / "models" / "text-classifier" / "sentences.tsv").read_text(encoding="utf-8")
    found = [word for line in sentences.splitlines() for word in tokenization.words(line.split("\t")[1])]
    assert {word for word in found if word.isalpha() and word not in TABLE} == set()
