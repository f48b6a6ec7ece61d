"""Trains the topic classifier and writes it as TorchScript: 32 word ids → one probability per label.

    python models/text-classifier/build.py --out DIR     writes DIR/1/model.pt

The data is `sentences.tsv` (label, tab, sentence), every fifth sentence of a label held out of the training
to measure it; the labels are `labels.txt`, in the order of the outputs. The words' ids are text-tokenizer's:
its vocabulary.txt and its way of cutting a text into words are used here as they are.
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
sys.path.insert(
    0, str(HERE.parent / "text-tokenizer")
)  # the one place for how texts are cut into words, and for the ids of words

import tokenization  # noqa: E402

if TYPE_CHECKING:
    import torch

SEED = 20
WIDTH = 32  # as text-tokenizer's output
WORD_DIMENSIONS = 32
EPOCHS = 50
LEARNING_RATE = 0.02
# Words are left out at random in training, so that a sentence is told by all of its words and not by one.
WORD_DROPOUT = 0.5
HELD_OUT_EVERY = 5
# Where PyTorch's own writer puts the data of a record, so that it can be mapped into memory.
RECORD_ALIGNMENT = 64


def read_labels() -> list[str]:
    """The labels in the order of the model's outputs."""
    return (HERE / "labels.txt").read_text(encoding="utf-8").split()


def read_examples() -> tuple[list[tuple[list[int], int]], list[tuple[list[int], int]]]:
    """(training, held out) examples, each WIDTH word ids and the index of the label."""
    labels = read_labels()
    table = tokenization.lookup_table(tokenization.read_vocabulary())
    training, held_out = [], []
    seen = dict.fromkeys(labels, 0)
    for line in (HERE / "sentences.tsv").read_text(encoding="utf-8").splitlines():
        label, sentence = line.split("\t")
        ids = [table.get(word, tokenization.UNKNOWN_ID) for word in tokenization.words(sentence)][:WIDTH]
        ids += [tokenization.PADDING_ID] * (WIDTH - len(ids))
        seen[label] += 1
        (held_out if seen[label] % HELD_OUT_EVERY == 0 else training).append((ids, labels.index(label)))
    return training, held_out


def build(out: Path) -> Path:
    """Trains, prints the accuracies, writes `out`/1/model.pt and returns its path."""
    import torch
    from torch import nn

    class Classifier(nn.Module):
        """Mean of the words' vectors, then one linear layer."""

        def __init__(self, words: int, labels: int) -> None:
            super().__init__()
            # Plain parameters instead of nn.Embedding and nn.Linear: TorchScript writes the constants of
            # those in the order of a hash set, another one in every run. Words that training never meets stay
            # near zero and say nothing.
            self.vectors = nn.Parameter(torch.randn(words, WORD_DIMENSIONS) * 0.01)
            self.weight = nn.Parameter(torch.randn(labels, WORD_DIMENSIONS) * WORD_DIMENSIONS**-0.5)
            self.bias = nn.Parameter(torch.zeros(labels))

        def logits(self, ids: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
            """ids: INT64 (batch, WIDTH); known: the same in FP32, 1.0 for a word; returns (batch, labels)."""
            total = (nn.functional.embedding(ids, self.vectors) * known.unsqueeze(-1)).sum(dim=1)
            # At least 1: a text without known words gets the bias alone, which is close to even odds.
            mean = total / known.sum(dim=1, keepdim=True).clamp(min=1.0)
            return nn.functional.linear(mean, self.weight, self.bias)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            """ids: INT64 (batch, WIDTH); returns the labels' probabilities, FP32 (batch, labels)."""
            # 0 is padding and 1 an unknown word; neither counts.
            return torch.softmax(self.logits(ids, (ids > 1).float()), dim=1)

    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    labels = read_labels()
    words = tokenization.FIRST_WORD_ID + len(tokenization.read_vocabulary())
    training, held_out = read_examples()
    ids = torch.tensor([example[0] for example in training])
    targets = torch.tensor([example[1] for example in training])
    model = Classifier(words, len(labels))
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, weight_decay=1e-4)
    for _ in range(EPOCHS):
        kept = (torch.rand(ids.shape) >= WORD_DROPOUT).float()
        loss = nn.functional.cross_entropy(model.logits(ids, (ids > 1).float() * kept), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    model.eval()

    def accuracy(examples: list[tuple[list[int], int]]) -> float:
        with torch.no_grad():
            guesses = model(torch.tensor([example[0] for example in examples])).argmax(dim=1)
        return (guesses == torch.tensor([example[1] for example in examples])).float().mean().item()

    print(f"text-classifier: {len(training)} sentences, accuracy {accuracy(training):.3f}")
    print(f"text-classifier: {len(held_out)} held-out sentences, accuracy {accuracy(held_out):.3f}")

    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(model), buffer)
    path = out / "1" / "model.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(without_debug_records(buffer.getvalue()))
    return path


def without_debug_records(archive: bytes) -> bytes:
    """The TorchScript archive without its *.debug_pkl records, with fixed dates, its data aligned as before.

    Those records hold the source file's path on the machine that built the model: two checkouts would give
    two artifacts. PyTorch reads them only to put line numbers into its error messages.
    """
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(result, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            if name.endswith(".debug_pkl"):
                continue
            record = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            # A local header is 30 bytes, the name and the extra field; the extra field's own header is 4 of
            # it.
            start = result.tell() + 30 + len(name.encode()) + 4
            padding = -start % RECORD_ALIGNMENT
            record.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
            new.writestr(record, old.read(name))
    return result.getvalue()


def main() -> int:
    """Runs the build; returns the exit status."""
    parser = argparse.ArgumentParser(description="Builds text-classifier as DIR/1/model.pt.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    arguments = parser.parse_args()
    try:
        import torch  # noqa: F401
    except ImportError as error:
        print(f"text-classifier: {error}: install Debian's python3-torch, or any PyTorch", file=sys.stderr)
        return 1
    path = build(arguments.out)
    print(f"text-classifier: wrote {path} ({path.stat().st_size} bytes)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
