"""Calls of a running platform through its balancer, held against onnxruntime and torch called directly.

The platform is started by local.test.ts, which names its addresses in the environment.
"""

import os
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from tritonclient.utils import InferenceServerException

MODELS = Path(__file__).resolve().parents[2] / "models"
TEXTS = ["The team won the final match.", "Shares fell after the bank's report.", "Rain and wind are coming."]

pytestmark = pytest.mark.skipif("PLATFORM_HTTP" not in os.environ, reason="no platform was started")


@pytest.fixture(params=["http", "grpc"])
def client(request):  # noqa: ANN001, ANN201
    """The two clients of Triton behind one small function."""
    module = http_client if request.param == "http" else grpc_client
    connection = module.InferenceServerClient(os.environ[f"PLATFORM_{request.param.upper()}"])

    def infer(model: str, inputs: dict, outputs: list[str], **options: object) -> dict[str, np.ndarray]:
        tensors = []
        for name, (array, datatype) in inputs.items():
            tensor = module.InferInput(name, list(array.shape), datatype)
            tensor.set_data_from_numpy(array)
            tensors.append(tensor)
        wanted = [module.InferRequestedOutput(name) for name in outputs]
        result = connection.infer(model, tensors, outputs=wanted, **options)
        return {name: result.as_numpy(name) for name in outputs}

    yield infer
    connection.close()


def strings(texts: list[str]) -> np.ndarray:
    return np.array([[text.encode()] for text in texts], dtype=object)


def test_embeddings_are_those_of_onnxruntime(client) -> None:  # noqa: ANN001
    got = client("embedding-model", {"input_text": (strings(TEXTS), "BYTES")}, ["embedding"])["embedding"]
    session = onnxruntime.InferenceSession(MODELS / "embedding-model" / "1" / "model.onnx")
    expected = session.run(None, {"input_text": np.array([[text] for text in TEXTS], dtype=object)})[0]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)
    assert got.shape == (3, 768)


def test_the_ensemble_is_its_steps(client) -> None:  # noqa: ANN001
    got = client("text-analysis", {"text": (strings(TEXTS), "BYTES")}, ["embedding", "label", "score"])
    tokenizer = onnxruntime.InferenceSession(MODELS / "text-tokenizer" / "1" / "model.onnx")
    ids = tokenizer.run(None, {tokenizer.get_inputs()[0].name: np.array([[t] for t in TEXTS], dtype=object)})[
        0
    ]
    with torch.no_grad():
        scores = torch.jit.load(str(MODELS / "text-classifier" / "1" / "model.pt"))(
            torch.from_numpy(ids)
        ).numpy()
    labels = (MODELS / "text-classifier" / "labels.txt").read_text().split()
    assert [row[0].decode() for row in got["label"]] == [labels[i] for i in scores.argmax(axis=1)]
    assert [row[0].decode() for row in got["label"]] == ["sports", "business", "weather"]
    np.testing.assert_allclose(got["score"][:, 0], scores.max(axis=1), rtol=1e-5)


def counted(metric: str, model: str) -> float:
    """A counter of one model, summed over all replicas' own metrics pages."""
    total = 0.0
    for address in os.environ["PLATFORM_METRICS"].split(","):
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as page:
            lines = page.read().decode().splitlines()
        total += sum(float(x.rsplit(" ", 1)[1]) for x in lines if x.startswith(f'{metric}{{model="{model}"'))
    return total


def test_concurrent_requests_share_batches() -> None:
    """Dynamic batching: fewer executions than inferences."""
    client = grpc_client.InferenceServerClient(os.environ["PLATFORM_GRPC"])

    def call(text: str) -> None:
        tensor = grpc_client.InferInput("input_text", [1, 1], "BYTES")
        tensor.set_data_from_numpy(strings([text]))
        client.infer("embedding-model", [tensor])

    metrics = ("nv_inference_count", "nv_inference_exec_count")
    before = [counted(metric, "embedding-model") for metric in metrics]
    with ThreadPoolExecutor(48) as pool:
        list(pool.map(call, [f"text {i}" for i in range(480)]))
    inferences, executions = (
        counted(metric, "embedding-model") - start for metric, start in zip(metrics, before, strict=True)
    )
    client.close()
    assert inferences == 480
    assert executions < 480


def test_the_language_model_answers_by_metadata_and_by_port() -> None:
    prompt = grpc_client.InferInput("prompt", [2, 1], "BYTES")
    prompt.set_data_from_numpy(strings(["hello", "good morning"]))
    by_metadata = grpc_client.InferenceServerClient(os.environ["PLATFORM_GRPC"])
    by_port = grpc_client.InferenceServerClient(os.environ["PLATFORM_LLM_GRPC"])
    for client, headers in ((by_metadata, {"x-triton-server": "llm"}), (by_port, {})):
        result = client.infer("llm-backend", [prompt], headers=headers)
        assert [b"hello" in result.as_numpy("generated_text")[0][0], result.as_numpy("usage")[1][3]] == [
            True,
            1,
        ]
        client.close()


def test_a_conversation_is_remembered_for_its_caller_alone() -> None:
    client = http_client.InferenceServerClient(os.environ["PLATFORM_HTTP"])
    # The platform may have been asked before, through another balancer.
    conversation = str(uuid.uuid4())

    def ask(text: str, key: str) -> bytes:
        tensor = http_client.InferInput("prompt", [1, 1], "BYTES")
        tensor.set_data_from_numpy(strings([text]))
        headers = {"x-api-key": key, "x-conversation-id": conversation}
        return client.infer("llm-backend", [tensor], headers=headers).as_numpy("generated_text")[0][0]

    # The simulator says how many messages it was sent: question, answer, question.
    assert b"Message 1 " in ask("first", "alice")
    assert b"Message 1 " in ask("first", "bob")
    assert b"Message 3 " in ask("second", "alice")
    # A comma is part of a key, and an empty key is none.
    assert b"Message 1 " in ask("first", "x,alice")
    assert b"Message 1 " in ask("first", "")
    client.close()


def test_an_unknown_server_is_named() -> None:
    client = grpc_client.InferenceServerClient(os.environ["PLATFORM_GRPC"])
    with pytest.raises(InferenceServerException, match="no server of this name: gpu, llm") as failure:
        client.is_model_ready("llm-backend", headers={"x-triton-server": "lllm"})
    assert failure.value.status() == "StatusCode.NOT_FOUND"
    with pytest.raises(InferenceServerException, match="by deployment only") as failure:
        client.unload_model("embedding-model")
    assert failure.value.status() == "StatusCode.PERMISSION_DENIED"
    client.close()


def test_an_unknown_model_is_a_clean_grpc_error() -> None:
    client = grpc_client.InferenceServerClient(os.environ["PLATFORM_GRPC"])
    tensor = grpc_client.InferInput("input_text", [1, 1], "BYTES")
    tensor.set_data_from_numpy(strings(["x"]))
    with pytest.raises(InferenceServerException, match="nope") as failure:
        client.infer("nope", [tensor])
    assert failure.value.status() == "StatusCode.NOT_FOUND"
    client.close()
