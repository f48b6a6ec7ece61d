"""Answers every request with nothing, so that a load fails for the configuration's sake alone."""

from __future__ import annotations

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Fits any configuration: decoupled or not, whatever its outputs."""

    def execute(self, requests: list[pb_utils.InferenceRequest]) -> None:
        """Completes each request with a response without outputs: a warmup sample asks for no more."""
        for request in requests:
            request.get_response_sender().send(
                pb_utils.InferenceResponse(), flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
            )
