"""Trains the sentence embedder and writes it as an ONNX model of standard operators: text → 768 floats.

    python models/embedding-model/build.py --out DIR     writes DIR/1/model.onnx

Training is the classical kind and takes seconds: how often words meet in one sentence, as positive pointwise
mutual information, reduced to its first singular vectors. Words that keep the same company get similar
vectors, so that two sentences can be close without sharing a word. The corpus is handwritten sentences
(`sentences.txt` and those of text-classifier) and contexts drawn with a fixed seed from the word groups of
`topics.txt`.

What the model computes:
- A sentence is the sum of its words' vectors, rare words weighing more, scaled to length 1. Inner product =
  cosine.
- Unknown words and padding take no part. Upper case A-Z and punctuation do not matter, nor does word order.
- A text without a known word (an empty one, another language) is the unit vector along the last axis. No
  known text reaches into that axis: the similarity of such a text to any known one is exactly 0, never NaN.
- Only the first 128 known words count.

The artifact holds 128 numbers per word; an orthonormal matrix turns them into the 767 other axes without
changing an angle. 768 is the width that the interface promises, and an embedder with more to say can take
this one's place.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
MODELS = HERE.parent
sys.path.insert(0, str(MODELS / "text-tokenizer"))  # the one place for how texts are cut into words

import tokenization  # noqa: E402

if TYPE_CHECKING:
    import numpy as np

SEED = 20
AXES = 768
RANK = 128
WIDTH = 128

CONTEXTS_PER_GROUP = 120
WORDS_PER_CONTEXT = 7
# A context is drawn from one group, with now and then a word from elsewhere in the topic.
SHARE_FROM_TOPIC = 0.2
COMMON_WORDS_PER_CONTEXT = 4
# Smoothing of context frequencies: without it, rare words dominate PPMI (Levy, Goldberg and Dagan 2015).
CONTEXT_SMOOTHING = 0.75
# Weight of a word: a / (a + its share of all words); the "smooth inverse frequency" of Arora et al. 2017.
RARITY = 1e-3


def read_topics() -> list[list[list[str]]]:
    """topics.txt: for each topic its groups, for each group its words."""
    topics: list[list[list[str]]] = []
    for line in (HERE / "topics.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            topics.append([])
        elif line and not line.startswith("#"):
            topics[-1].append(line.split())
    return topics


def read_sentences() -> list[list[str]]:
    """The handwritten sentences as words: ours and the classifier's."""
    ours = (HERE / "sentences.txt").read_text(encoding="utf-8").splitlines()
    labelled = (MODELS / "text-classifier" / "sentences.tsv").read_text(encoding="utf-8").splitlines()
    return [tokenization.words(text) for text in [*ours, *(line.split("\t")[1] for line in labelled)]]


def corpus() -> list[list[str]]:
    """All training contexts, each a list of words, every word in the form the look-up table gives it."""
    topics = read_topics()
    sentences = read_sentences()
    listed = list(dict.fromkeys(word for topic in topics for group in topic for word in group))
    table = tokenization.lookup_table(listed)
    base = {form: listed[index - tokenization.FIRST_WORD_ID] for form, index in table.items()}
    sentences = [[base.get(word, word) for word in sentence] for sentence in sentences]

    # Words that no topic claims and that many sentences use: the, a, of, after … They go into the drawn
    # contexts as well, or they would look as telling as the words of a topic.
    spread = Counter(word for sentence in sentences for word in set(sentence) if word not in base)
    common = [word for word, count in spread.most_common() if count >= 6]

    draw = random.Random(SEED)
    contexts = []
    for topic in topics:
        in_topic = [word for group in topic for word in group]
        for group in topic:
            for _ in range(CONTEXTS_PER_GROUP):
                context = draw.sample(group, min(WORDS_PER_CONTEXT, len(group)))
                context = [draw.choice(in_topic) if draw.random() < SHARE_FROM_TOPIC else w for w in context]
                contexts.append(context + draw.choices(common, k=COMMON_WORDS_PER_CONTEXT))
    # A written sentence says more about its words than a drawn one: it counts four times.
    return contexts + sentences * 4


def train() -> tuple[list[str], np.ndarray]:
    """Vocabulary, and one weighted vector per word, float32, shape (words, RANK)."""
    import numpy as np

    contexts = corpus()
    counts = Counter(word for context in contexts for word in context)
    # Words of a single sentence (counted four times) have no company to learn from.
    vocabulary = [word for word, count in counts.items() if count >= 8 and len(word) > 1]
    position = {word: index for index, word in enumerate(vocabulary)}

    together = np.zeros((len(vocabulary), len(vocabulary)))
    for context in contexts:
        found = sorted({position[word] for word in context if word in position})
        together[np.ix_(found, found)] += 1
    np.fill_diagonal(together, 0)

    of_word = together.sum(axis=1, keepdims=True)
    of_context = together.sum(axis=0, keepdims=True) ** CONTEXT_SMOOTHING
    expected = of_word * of_context / of_context.sum()
    information = np.log(np.maximum(together, 1e-12) / expected).clip(min=0)

    left, strength, _ = np.linalg.svd(information)
    # The sign of a singular vector is arbitrary; fixed so that its largest entry is positive.
    left *= np.sign(left[np.abs(left).argmax(axis=0), np.arange(len(vocabulary))])
    vectors = left[:, :RANK] * np.sqrt(strength[:RANK])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    share = np.array([counts[word] for word in vocabulary]) / sum(counts.values())
    vectors *= (RARITY / (RARITY + share))[:, None]
    return vocabulary, vectors.astype(np.float32)


def rotation() -> np.ndarray:
    """RANK orthonormal rows in AXES dimensions, float32, the last axis left at 0."""
    import numpy as np

    normal = np.random.default_rng(SEED).standard_normal((AXES - 1, RANK))
    orthonormal, _ = np.linalg.qr(normal)
    return np.hstack([orthonormal.T, np.zeros((RANK, 1))]).astype(np.float32)


def model_bytes(vocabulary: list[str], vectors: np.ndarray) -> bytes:
    """The serialised ONNX model: input_text STRING (batch, 1) → embedding FP32 (batch, 768)."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    table = tokenization.lookup_table(vocabulary)
    nodes, initialisers = tokenization.word_id_nodes("input_text", "ids", table, WIDTH, keep_unknown=False)
    # Rows for padding and for unknown words are zero: adding them up changes nothing.
    rows = np.vstack([np.zeros((tokenization.FIRST_WORD_ID, RANK), np.float32), vectors])
    last_axis = np.zeros(AXES, np.float32)
    last_axis[-1] = 1
    initialisers += [
        numpy_helper.from_array(rows, "vectors"),
        numpy_helper.from_array(rotation(), "rotation"),
        numpy_helper.from_array(last_axis, "no_known_word"),
        numpy_helper.from_array(np.array(tokenization.PADDING_ID, np.int64), "padding_id"),
    ]
    nodes += [
        helper.make_node("Gather", ["vectors", "ids"], ["word_vectors"], "word_vectors", axis=0),
        helper.make_node("ReduceSum", ["word_vectors", "axis_1"], ["sum"], "sum", keepdims=0),
        helper.make_node("MatMul", ["sum", "rotation"], ["rotated"], "rotated"),
        # Words fill a row from its start: a padding id in the first place means that there is no known word.
        helper.make_node("Gather", ["ids", "axis_0"], ["first_id"], "first_id", axis=1),
        helper.make_node("Equal", ["first_id", "padding_id"], ["is_empty"], "is_empty"),
        helper.make_node("Where", ["is_empty", "no_known_word", "rotated"], ["direction"], "direction"),
        helper.make_node("LpNormalization", ["direction"], ["embedding"], "embedding", axis=-1, p=2),
    ]
    graph = helper.make_graph(
        nodes,
        "embedding-model",
        [helper.make_tensor_value_info("input_text", TensorProto.STRING, ["batch", 1])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", AXES])],
        initialisers,
    )
    model = helper.make_model(
        graph,
        producer_name="embedding-model/build.py",
        ir_version=tokenization.IR_VERSION,
        opset_imports=[
            helper.make_opsetid("", tokenization.OPSET),
            helper.make_opsetid("ai.onnx.ml", tokenization.ML_OPSET),
        ],
    )
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def build(out: Path) -> Path:
    """Writes `out`/1/model.onnx and returns its path."""
    vocabulary, vectors = train()
    path = out / "1" / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model_bytes(vocabulary, vectors))
    print(f"embedding-model: {len(vocabulary)} words, {RANK} dimensions each, {AXES} axes")
    return path


def main() -> int:
    """Runs the build; returns the exit status."""
    parser = argparse.ArgumentParser(description="Builds embedding-model as DIR/1/model.onnx.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    arguments = parser.parse_args()
    # numpy's linear algebra reads these when it is first imported: one thread and one kernel. Sums added in
    # another order differ in their last bits, and with them the bytes of the artifact.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    os.environ["OPENBLAS_CORETYPE"] = "Haswell"
    try:
        import numpy  # noqa: F401
        import onnx  # noqa: F401
    except ImportError as error:
        print(f"embedding-model: {error}: install what requirements.txt lists", file=sys.stderr)
        return 1
    path = build(arguments.out)
    print(f"embedding-model: wrote {path} ({path.stat().st_size} bytes)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
