"""The CPU adapter inside the real tritonserver."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from triton_server import TritonServer, infer

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def client(server: TritonServer) -> Iterator[object]:
    import tritonclient.grpc as grpc

    with grpc.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as connection:
        yield connection


def floats(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def texts(*rows: str | bytes) -> np.ndarray:
    values = [row.encode() if isinstance(row, str) else row for row in rows]
    result = np.empty((len(values), 1), np.object_)
    result[:, 0] = values
    return result


def test_concurrent_requests_are_run_as_one_batch(server: TritonServer, client: object) -> None:
    inferences = server.metric("nv_inference_count", "arithmetic")
    executions = server.metric("nv_inference_exec_count", "arithmetic")

    def one(i: int) -> dict[str, np.ndarray]:
        inputs = {"a": floats([i, 1]), "b": floats([1, i]), "text": texts(f"request {i}")}
        return infer(client, "arithmetic", inputs, ["sum", "echo"])

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, range(8)))
    for i, answer in enumerate(answers):
        np.testing.assert_array_equal(answer["sum"], floats([i + 1, i + 1]))
        assert answer["echo"].tolist() == [[f"request {i}".encode()]]
    inferences = server.metric("nv_inference_count", "arithmetic") - inferences
    executions = server.metric("nv_inference_exec_count", "arithmetic") - executions
    assert inferences == 8
    assert executions < inferences


def test_requests_of_several_rows_and_strings_as_they_are(client: object) -> None:
    strings = texts("", "žluť 日本 🙂", "nul\0inside\0", "line\nbreak", "a", "b", "c", "d")
    inputs = {
        "a": np.arange(24, dtype=np.float32).reshape(8, 3),
        "b": np.ones((8, 3), np.float32),
        "text": strings,
    }
    answer = infer(client, "arithmetic", inputs, ["sum", "echo"])
    np.testing.assert_array_equal(answer["sum"], inputs["a"] + 1)
    assert answer["echo"].tolist() == strings.tolist()


def test_bytes_that_are_no_text_fail_alone(client: object) -> None:
    from tritonclient.utils import InferenceServerException

    def one(i: int) -> dict[str, np.ndarray] | str:
        text = texts(b"\xff\xfe" if i == 3 else f"request {i}")
        try:
            return infer(client, "arithmetic", {"a": floats([i]), "b": floats([1]), "text": text}, ["sum"])
        except InferenceServerException as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, range(8)))
    assert "input 'text' is not UTF-8: invalid start byte at byte 0" in answers[3]
    assert [float(answer["sum"][0, 0]) for i, answer in enumerate(answers) if i != 3] == [1, 2, 3, 5, 6, 7, 8]


def test_a_failed_run_is_an_error_and_not_the_end(client: object) -> None:
    from tritonclient.utils import InferenceServerException

    with pytest.raises(
        InferenceServerException, match=r"the model failed: .*indices element out of data bounds"
    ):
        infer(client, "lookup", {"index": np.array([[7]])}, ["value"])
    answer = infer(client, "lookup", {"index": np.array([[2], [0]])}, ["value"])
    np.testing.assert_array_equal(answer["value"], floats([30], [10]))


def test_without_a_batch_axis(client: object) -> None:
    def one(width: int) -> np.ndarray:
        return infer(client, "unbatched", {"x": np.ones((2, width), np.float32)}, ["total"])["total"]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(one, [1, 2, 3, 4]))
    np.testing.assert_array_equal(answers, [[1, 1], [2, 2], [3, 3], [4, 4]])


def test_torchscript_by_argument_names_and_output_numbers(client: object) -> None:
    inputs = {"left": floats([5, 1], [0, 0]), "right": floats([1, 1], [3, 1])}
    answer = infer(client, "named", inputs, ["OUTPUT__0", "OUTPUT__1"])
    np.testing.assert_array_equal(answer["OUTPUT__0"], floats([4, 0], [-3, -1]))
    np.testing.assert_array_equal(answer["OUTPUT__1"], [[0], [1]])
    assert answer["OUTPUT__1"].dtype == np.int64
    assert list(infer(client, "named", inputs, ["OUTPUT__1"])) == ["OUTPUT__1"]


def test_all_mismatches_in_one_error(server: TritonServer) -> None:
    status, answer = server.post("/v2/repository/models/mismatched/load", {})
    assert status == 400
    for part in (
        "model 'mismatched': arithmetic.onnx is not what the config says",
        "input 'a' is INT32 in the config and FP32 in the model",
        "input 'b' has dims [3, 3] in the config and [-1] in the model after its batch axis",
        "output 'difference' is not in the model, whose outputs are: sum, echo",
        "the model's input 'text' is not in the config",
    ):
        assert part in answer["error"]
