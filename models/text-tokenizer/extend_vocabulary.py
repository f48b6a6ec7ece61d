"""Appends the words of the classifier's sentences that are missing in vocabulary.txt, in order of appearance.

    python models/text-tokenizer/extend_vocabulary.py

Run it after sentences were added to models/text-classifier/sentences.tsv, then build text-tokenizer and
text-classifier again. Words are never removed or moved: an id keeps its meaning for good.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import tokenization

HERE = Path(__file__).resolve().parent
SENTENCES = HERE.parent / "text-classifier" / "sentences.tsv"


def main() -> None:
    """Rewrites vocabulary.txt with the new words at its end."""
    path = HERE / "vocabulary.txt"
    known = tokenization.read_vocabulary()
    counts: Counter[str] = Counter()
    for line in SENTENCES.read_text(encoding="utf-8").splitlines():
        counts.update(tokenization.words(line.split("\t")[1]))
    table = tokenization.lookup_table(known)
    # A form such as "storms" needs no entry of its own where "storm" is, or will be, in the vocabulary.
    inflected = {form for word in [*known, *counts] for form in tokenization.inflections(word)}
    new = [w for w in counts if w not in table and w not in inflected and re.fullmatch("[a-z]+", w)]
    path.write_text("".join(f"{word}\n" for word in [*known, *new]), encoding="utf-8")
    print(f"{len(new)} new words, {len(known) + len(new)} in all")


if __name__ == "__main__":
    main()
