"""The real tritonserver of nvidia-pytriton for tests: started on free ports, stopped whatever happens."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

ROOT = Path(__file__).resolve().parents[2]
ADAPTER = ROOT / "components" / "local" / "cpu_adapter"
STUB = "triton_python_backend_stub"
ADAPTER_FILES = ("model.py", "batching.py", "config.py", "engines.py")


def missing_for_server() -> str:
    """What this machine lacks to run tritonserver; empty where nothing is missing."""
    if importlib.util.find_spec("pytriton") is None:
        return "nvidia-pytriton is not installed"
    if importlib.util.find_spec("tritonclient") is None:
        return "tritonclient is not installed"
    stub = _home() / "python_backend_stubs" / _python_version() / STUB
    return "" if stub.exists() else f"nvidia-pytriton has no stub for Python {_python_version()}"


def missing_for_models() -> str:
    """What this machine lacks to serve the models through the CPU adapter; empty where nothing is missing."""
    for module, name in (
        ("onnx", "onnx"),
        ("onnxruntime", "onnxruntime"),
        ("torch", "torch (python3-torch)"),
    ):
        if importlib.util.find_spec(module) is None:
            return f"{name} is not installed"
    return missing_for_server()


@dataclass(frozen=True)
class TritonServer:
    """A running server; the ports are on 127.0.0.1."""

    http_port: int
    grpc_port: int
    metrics_port: int
    log: Path

    def metric(self, name: str, model: str) -> float:
        """Sum of a metric over a model's versions; 0.0 where there is none yet."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10) as response:
            text = response.read().decode()
        values = re.findall(rf'^{name}{{[^}}]*model="{re.escape(model)}"[^}}]*}} (\S+)$', text, re.MULTILINE)
        return sum(float(value) for value in values)

    def post(self, path: str, body: dict[str, object]) -> tuple[int, dict[str, object]]:
        """Status and JSON answer of a POST over HTTP."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http_port}{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.loads(response.read() or "{}")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or "{}")


def infer(
    client: object, model: str, inputs: dict[str, np.ndarray], outputs: list[str]
) -> dict[str, np.ndarray]:
    """Calls a model over a tritonclient.grpc connection; the named outputs, and those alone, come back."""
    import tritonclient.grpc as grpc
    from tritonclient.utils import np_to_triton_dtype

    tensors = []
    for name, array in inputs.items():
        tensor = grpc.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array)
        tensors.append(tensor)
    wanted = [grpc.InferRequestedOutput(name) for name in outputs]
    result = client.infer(model, tensors, outputs=wanted, client_timeout=30)
    assert {output.name for output in result.get_response().outputs} == set(outputs)
    return {name: result.as_numpy(name) for name in outputs}


def add_adapted_model(
    repository: Path, name: str, config: str, artifact: Path, *, threads: int = 1, extra: Sequence[Path] = ()
) -> None:
    """Puts a model of the onnxruntime or pytorch backend into a repository the way the local target does.

    config: its config.pbtxt as a GPU host would get it. artifact: goes into version 1 under its own name.
    extra: files for the model's folder, such as labels.txt.
    """
    backend = re.search(r'^backend: "(onnxruntime|pytorch)"$', config, re.MULTILINE)
    assert backend, f"{name}: no backend line to replace"
    parameters = {
        "cpu_adapter_backend": backend[1],
        "cpu_adapter_threads": str(threads),
        "cpu_adapter_artifact": artifact.name,
    }
    adapted = config.replace(backend[0], 'backend: "python"').replace("KIND_GPU", "KIND_CPU")
    for key, value in parameters.items():
        adapted += f'parameters {{ key: "{key}" value: {{ string_value: "{value}" }} }}\n'
    version = repository / name / "1"
    version.mkdir(parents=True)
    (repository / name / "config.pbtxt").write_text(adapted, encoding="utf-8")
    for file in (artifact, *(ADAPTER / file for file in ADAPTER_FILES)):
        shutil.copy(file, version)
    for file in extra:
        shutil.copy(file, repository / name)


@contextmanager
def serve(repository: Path, workspace: Path, *flags: str, timeout: float = 60) -> Iterator[TritonServer]:
    """Runs tritonserver on a repository until the block is left.

    workspace: an empty folder for the backends and the log. timeout: seconds until it must be ready.
    Raises RuntimeError with the end of the log when it is not.
    """
    home = _home()
    backend = workspace / "backends" / "python"
    backend.mkdir(parents=True)
    # The stub belongs beside the backend's library; the wheel keeps one per Python version elsewhere.
    for file in (home / "backends" / "python").iterdir():
        # Not a stub that someone has put there: copying ours would write through the link.
        if file.is_file() and file.name != STUB:
            (backend / file.name).symlink_to(file)
    shutil.copy(home / "python_backend_stubs" / _python_version() / STUB, backend)

    http_port, grpc_port, metrics_port = _free_ports(3)
    log = workspace / "tritonserver.log"
    environment = os.environ | {
        # Where the wheel's builds keep the libraries that they bring along.
        "LD_LIBRARY_PATH": f"{home / 'external_libs'}:{home.parents[1] / 'nvidia_pytriton.libs'}",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": ":".join(entry for entry in sys.path if entry.endswith("-packages")),
    }
    command = [
        str(home / "bin" / "tritonserver"),
        f"--model-repository={repository}",
        f"--backend-directory={workspace / 'backends'}",
        f"--cache-directory={home / 'caches'}",
        "--allow-gpu-metrics=false",
        f"--http-port={http_port}",
        f"--grpc-port={grpc_port}",
        f"--metrics-port={metrics_port}",
        "--exit-timeout-secs=5",
        *flags,
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_until_ready(process, http_port, log, time.monotonic() + timeout)
        yield TritonServer(http_port, grpc_port, metrics_port, log)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path, deadline: float) -> None:
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:])
    raise RuntimeError(f"tritonserver is not ready (exit status {process.poll()}):\n{tail}")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [open_socket.getsockname()[1] for open_socket in sockets]
    for open_socket in sockets:
        open_socket.close()
    return ports


def _home() -> Path:
    spec = importlib.util.find_spec("pytriton")
    assert spec and spec.origin
    return Path(spec.origin).parent / "tritonserver"


def _python_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
