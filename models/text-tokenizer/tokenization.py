"""How the text models cut a text into words: once as ONNX nodes, once as plain Python for training.

This is the one place for it: `text-tokenizer/build.py` and `embedding-model/build.py` compile the nodes into
their models, and every training run counts words with `words()`, so that a model never sees words cut in
another way than those it was trained on.

The nodes are standard ONNX: opset 20 of `ai.onnx` (StringSplit came with it) and opset 3 of `ai.onnx.ml`
(LabelEncoder). No contrib operator and no extension library is needed, so any onnxruntime from 1.18 on runs
them. All string operators run on the CPU, also inside a session that uses CUDA.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

OPSET = 20
ML_OPSET = 3
# The lowest IR version that goes with opset 20's release; a newer one would only shut out older runtimes.
IR_VERSION = 9

PADDING_ID = 0
UNKNOWN_ID = 1
FIRST_WORD_ID = 2

# A text is cut at runs of spaces into at most this many pieces; what follows the last cut stays one long
# piece, which is no known word. With MAX_CUTS_PER_PIECE it keeps the work linear in the text's length,
# whatever a client sends.
MAX_PIECES = 512
# One piece is cut at most this often at the same separator: "and/or" is cut, a line of 10 000 slashes is not.
MAX_CUTS_PER_PIECE = 7

# ONNX has no regular expressions that replace or split, so each separator costs one StringSplit. Space is cut
# first; onnxruntime's cut at "whitespace" means the space character only, so the other blanks are listed
# here.
SEPARATORS = ("\n", "\t", "\r", "\u00a0", *".,;:!?'\"()[]{}<>/\\|_*#=+&-", *"–—…‘’“”«»")  # noqa: RUF001

_ASCII_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def read_vocabulary() -> list[str]:
    """The words of vocabulary.txt in the order of their ids, from FIRST_WORD_ID on."""
    return (Path(__file__).parent / "vocabulary.txt").read_text(encoding="utf-8").split()


def words(text: str) -> list[str]:
    """The words of `text` in lower case (A-Z only, as the ONNX nodes do it), without punctuation."""
    pieces = re.split(" +", text.translate(_ASCII_LOWER).strip(" "), maxsplit=MAX_PIECES - 1)
    for separator in SEPARATORS:
        pieces = [part for piece in pieces for part in piece.split(separator, MAX_CUTS_PER_PIECE) if part]
    return pieces


def inflections(word: str) -> list[str]:
    """Regular English forms of `word` (plural, past, -ing), some of which will not exist; that does no harm.

    ONNX cannot stem a word, so the forms are listed in the look-up table instead and share the word's entry.
    """
    if not re.fullmatch("[a-z]{3,}", word):
        return []
    if word.endswith("e"):
        return [word + "s", word + "d", word[:-1] + "ing", word + "r", word + "rs"]
    if re.search("[^aeiou]y$", word):
        return [word[:-1] + "ies", word[:-1] + "ied", word + "ing"]
    forms = [word + "s", word + "ed", word + "ing"]
    if re.search("(s|x|z|ch|sh)$", word):
        forms.append(word + "es")
    if re.search("^[^aeiou]*[aeiou][bdgklmnprt]$", word):
        forms += [word + word[-1] + "ed", word + word[-1] + "ing"]
    return forms


def lookup_table(vocabulary: Iterable[str]) -> dict[str, int]:
    """Word → id for a vocabulary in the order of its ids (from FIRST_WORD_ID on), inflected forms included.

    A form that is itself a word of the vocabulary keeps its own id; of two words with the same form the first
    wins.
    """
    table = {word: index for index, word in enumerate(vocabulary, FIRST_WORD_ID)}
    for word, index in list(table.items()):
        for form in inflections(word):
            table.setdefault(form, index)
    return table


def word_id_nodes(
    text: str, ids: str, table: dict[str, int], width: int, *, keep_unknown: bool
) -> tuple[list[NodeProto], list[TensorProto]]:
    """ONNX nodes and initialisers that turn texts into rows of word ids.

    text: name of the input, STRING, shape (batch, 1), batch ≥ 1. ids: name of the result, INT64, shape
    (batch, width), filled up with PADDING_ID; words after the first `width`
        are dropped. An empty text is a row of padding.
    table: word → id, every id ≥ FIRST_WORD_ID.
    keep_unknown: whether a word that is not in `table` takes a place as UNKNOWN_ID or is left out.
    """
    from onnx import TensorProto, helper

    nodes: list[NodeProto] = []

    def node(operator: str, inputs: list[str], output: str, domain: str = "", **attributes: object) -> str:
        nodes.append(helper.make_node(operator, inputs, [output], output, domain=domain, **attributes))
        return output

    initialisers = [
        helper.make_tensor("axis_0", TensorProto.INT64, [1], [0]),
        helper.make_tensor("axis_1", TensorProto.INT64, [1], [1]),
        helper.make_tensor("flat", TensorProto.INT64, [1], [-1]),
        helper.make_tensor("zero", TensorProto.INT64, [], [0]),
        helper.make_tensor("one", TensorProto.INT64, [], [1]),
        helper.make_tensor("width", TensorProto.INT64, [], [width]),
        helper.make_tensor("width_1d", TensorProto.INT64, [1], [width]),
        helper.make_tensor("nothing", TensorProto.STRING, [], [b""]),
    ]

    lines = node("Squeeze", [text, "axis_1"], "lines")
    # Locale "C" is the only one that every machine has; it lowers A-Z and leaves other letters alone.
    lower = node("StringNormalizer", [lines], "lower", case_change_action="LOWER", locale="C")
    batch_1d = node("Shape", [lower], "batch_1d")
    batch = node("Squeeze", [batch_1d, "axis_0"], "batch")
    rows_of_batch = node("Range", ["zero", batch, "one"], "rows_of_batch")

    # The words of all texts lie in one flat list, with the number of its text beside each word. A (batch,
    # longest) matrix would grow by a factor with every separator; the list only ever holds real pieces.
    pieces, rows = lower, rows_of_batch
    for step, separator in enumerate(("", *SEPARATORS)):  # "" cuts at runs of spaces
        cuts = MAX_PIECES - 1 if step == 0 else MAX_CUTS_PER_PIECE
        nodes.append(
            helper.make_node(
                "StringSplit",
                [pieces],
                [f"cut_{step}", f"cut_count_{step}"],
                f"cut_{step}",
                delimiter=separator,
                maxsplit=cuts,
            )
        )
        shape = node("Shape", [f"cut_{step}"], f"cut_shape_{step}")
        column = node("Unsqueeze", [rows, "axis_1"], f"row_column_{step}")
        spread = node("Expand", [column, shape], f"row_spread_{step}")
        flat_rows = node("Reshape", [spread, "flat"], f"row_flat_{step}")
        flat_pieces = node("Reshape", [f"cut_{step}", "flat"], f"piece_flat_{step}")
        empty = node("Equal", [flat_pieces, "nothing"], f"piece_empty_{step}")
        real = node("Not", [empty], f"piece_real_{step}")
        pieces = node("Compress", [flat_pieces, real], f"pieces_{step}", axis=0)
        rows = node("Compress", [flat_rows, real], f"rows_{step}", axis=0)

    found = node(
        "LabelEncoder",
        [pieces],
        "found",
        domain="ai.onnx.ml",
        keys_strings=list(table),
        values_int64s=list(table.values()),
        default_int64=UNKNOWN_ID,
    )
    if not keep_unknown:
        initialisers.append(helper.make_tensor("unknown", TensorProto.INT64, [], [UNKNOWN_ID]))
        is_unknown = node("Equal", [found, "unknown"], "is_unknown")
        is_known = node("Not", [is_unknown], "is_known")
        found = node("Compress", [found, is_known], "known", axis=0)
        rows = node("Compress", [rows, is_known], "known_rows", axis=0)

    # A word's place in its row: its place in the flat list less the place where its text begins.
    row_numbers = node("Unsqueeze", [rows_of_batch, "axis_1"], "row_numbers")
    rows_flat = node("Unsqueeze", [rows, "axis_0"], "rows_flat")
    belongs = node("Equal", [row_numbers, rows_flat], "belongs")
    belongs_int = node("Cast", [belongs], "belongs_int", to=TensorProto.INT64)
    counts = node("ReduceSum", [belongs_int, "axis_1"], "counts", keepdims=0)
    starts = node("CumSum", [counts, "zero"], "starts", exclusive=1)
    total_1d = node("Shape", [rows], "total_1d")
    total = node("Squeeze", [total_1d, "axis_0"], "total")
    places_flat = node("Range", ["zero", total, "one"], "places_flat")
    starts_of_words = node("Gather", [starts, rows], "starts_of_words", axis=0)
    places = node("Sub", [places_flat, starts_of_words], "places")

    fits = node("Less", [places, "width"], "fits")
    kept_ids = node("Compress", [found, fits], "kept_ids", axis=0)
    kept_rows = node("Compress", [rows, fits], "kept_rows", axis=0)
    kept_places = node("Compress", [places, fits], "kept_places", axis=0)
    row_column = node("Unsqueeze", [kept_rows, "axis_1"], "kept_row_column")
    place_column = node("Unsqueeze", [kept_places, "axis_1"], "kept_place_column")
    targets = node("Concat", [row_column, place_column], "targets", axis=1)
    page_shape = node("Concat", [batch_1d, "width_1d"], "page_shape", axis=0)
    padding = helper.make_tensor("padding", TensorProto.INT64, [1], [PADDING_ID])
    page = node("ConstantOfShape", [page_shape], "page", value=padding)
    node("ScatterND", [page, targets, kept_ids], ids)
    return nodes, initialisers
