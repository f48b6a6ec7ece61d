"""The text models on the real tritonserver, compared with onnxruntime and torch called directly."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from triton_server import ROOT, TritonServer, infer

pytestmark = pytest.mark.server

MODELS = ROOT / "models"
TEXTS = [
    "The striker scored a goal in the final minute of the match.",
    "The central bank raised interest rates again!",
    "HEAVY rain and thunder; floods in the valley",
    "The surgeon treated the patient\u2019s heart disease",
    "Programmers fixed a bug in the server's code",
    "",
    "日本語 žluťoučký",
]


@pytest.fixture(scope="module")
def client(server: TritonServer) -> Iterator[object]:
    import tritonclient.grpc as grpc

    with grpc.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as connection:
        yield connection


def column(texts: list[str]) -> np.ndarray:
    return np.array([text.encode() for text in texts], np.object_).reshape(-1, 1)


def onnx_direct(model: str, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(
        MODELS / model / "1" / "model.onnx", providers=["CPUExecutionProvider"]
    )
    return session.run(None, inputs)


def strings(texts: list[str]) -> np.ndarray:
    return np.array(texts, np.object_).reshape(-1, 1)


@pytest.mark.parametrize("rows", [1, 7])
def test_embedding_equals_onnxruntime(client: object, rows: int) -> None:
    served = infer(client, "embedding-model", {"input_text": column(TEXTS[:rows])}, ["embedding"])[
        "embedding"
    ]
    (direct,) = onnx_direct("embedding-model", {"input_text": strings(TEXTS[:rows])})
    assert served.shape == (rows, 768)
    assert served.dtype == np.float32
    np.testing.assert_allclose(served, direct, atol=1e-6)


def test_tokenizer_and_classifier_equal_their_runtimes(client: object) -> None:
    import torch

    ids = infer(client, "text-tokenizer", {"text": column(TEXTS)}, ["ids"])["ids"]
    np.testing.assert_array_equal(ids, onnx_direct("text-tokenizer", {"text": strings(TEXTS)})[0])
    served = infer(client, "text-classifier", {"INPUT__0": ids}, ["OUTPUT__0"])["OUTPUT__0"]
    module = torch.jit.load(str(MODELS / "text-classifier" / "1" / "model.pt"))
    np.testing.assert_allclose(served, module(torch.from_numpy(ids.copy())).detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(served.sum(axis=1), 1, atol=1e-5)


def test_ensemble_gives_embedding_label_and_score(client: object) -> None:
    results = infer(client, "text-analysis", {"text": column(TEXTS)}, ["embedding", "label", "score"])
    labels = [label.decode() for label in results["label"].flatten()]
    assert labels[:5] == ["sports", "business", "weather", "health", "technology"]
    assert (results["score"][:5] > 0.5).all()
    # No known word: no topic stands out.
    assert (results["score"][5:] < 0.4).all()
    (direct,) = onnx_direct("embedding-model", {"input_text": strings(TEXTS)})
    np.testing.assert_allclose(results["embedding"], direct, atol=1e-6)


def test_classification_extension_names_the_labels(server: TritonServer, client: object) -> None:
    ids = onnx_direct("text-tokenizer", {"text": strings(TEXTS[:2])})[0]
    status, answer = server.post(
        "/v2/models/text-classifier/infer",
        {
            "inputs": [
                {"name": "INPUT__0", "shape": [2, 32], "datatype": "INT64", "data": ids.flatten().tolist()}
            ],
            "outputs": [{"name": "OUTPUT__0", "parameters": {"classification": 2}}],
        },
    )
    assert status == 200
    best = [answer["outputs"][0]["data"][i].split(":") for i in (0, 2)]
    assert [entry[2] for entry in best] == ["sports", "business"]
    assert all(float(entry[0]) > 0.5 for entry in best)


def test_concurrent_requests_keep_their_answers(client: object) -> None:
    (direct,) = onnx_direct("embedding-model", {"input_text": strings(TEXTS)})

    def one(index: int) -> np.ndarray:
        return infer(client, "embedding-model", {"input_text": column([TEXTS[index]])}, ["embedding"])[
            "embedding"
        ]

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(one, [i % len(TEXTS) for i in range(64)]))
    for index, answer in enumerate(answers):
        np.testing.assert_allclose(answer[0], direct[index % len(TEXTS)], atol=1e-6)


@pytest.mark.parametrize(
    ("path", "shape", "data", "message"),
    [
        ("embedding-model", [1, 2], ["a", "b"], "unexpected shape for input 'input_text'"),
        ("embedding-model", [65, 1], ["a"] * 65, "batch-size must be <= 64"),
        ("embedding-model/versions/9", [1, 1], ["a"], "version is not at READY state|unknown model"),
        ("no-such-model", [1, 1], ["a"], "unknown model: 'no-such-model'"),
    ],
)
def test_wrong_requests_are_refused(
    server: TritonServer, path: str, shape: list[int], data: list[str], message: str
) -> None:
    body = {"inputs": [{"name": "input_text", "shape": shape, "datatype": "BYTES", "data": data}]}
    status, answer = server.post(f"/v2/models/{path}/infer", body)
    assert 400 <= status < 500
    assert any(part in answer["error"] for part in message.split("|")), answer["error"]
