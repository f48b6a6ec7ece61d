"""Triton's entry into the CPU adapter: serves an ONNX or TorchScript artifact through the Python backend.

The local target uses it where tritonserver lacks the `onnxruntime` or `pytorch` backend. It puts the files of
this folder beside the artifact in every version folder and changes config.pbtxt: `backend: "python"`,
instances of KIND_CPU, and these parameters; everything else stays.

- `cpu_adapter_backend`: "onnxruntime" or "pytorch".
- `cpu_adapter_threads`: threads for one inference, a positive integer. Default 1.
- `cpu_adapter_artifact`: the artifact's file name. Default: the backend's own, model.onnx or model.pt.

This file only translates between Triton's objects and arrays; `batching.py` and `engines.py` do the work and
know nothing of Triton. Triton imports this file as `<version>.model`, so relative imports find its
neighbours.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils

from . import batching, config, engines


class TritonPythonModel:
    """One instance of an adapted model, in a process of its own."""

    def initialize(self, args: dict[str, str]) -> None:
        """Loads the artifact; raises TritonModelException with all in which it differs from the config."""
        try:
            self.config = config.read(json.loads(args["model_config"]))
            folder = Path(args["model_repository"]) / args["model_version"]
            self.engine = engines.load(self.config, folder)
        except (config.ConfigError, engines.LoadError) as error:
            raise pb_utils.TritonModelException(f"model '{args['model_name']}': {error}") from error

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response per request, in the order of the requests."""
        results = batching.run(self.engine, self.config, [self._read(request) for request in requests])
        return [self._response(result) for result in results]

    def _read(self, request: Any) -> batching.Request:  # noqa: ANN401 — Triton's classes exist in its process only
        inputs = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        return batching.Request(inputs, tuple(request.requested_output_names()))

    def _response(self, result: batching.Outputs | batching.Failure) -> Any:  # noqa: ANN401
        if isinstance(result, batching.Failure):
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(result.message))
        return pb_utils.InferenceResponse([pb_utils.Tensor(name, array) for name, array in result.items()])
