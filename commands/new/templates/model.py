"""What the model does. This one returns its input: replace what is between the two tensors."""

import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Loaded once per instance, each in a process of its own."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load weights here: before the first request, and before the model is ready."""

    def execute(self, requests: list) -> list:
        """Return one response per request, in their order; each holds up to maxBatchSize rows."""
        responses = []
        for request in requests:
            rows = pb_utils.get_input_tensor_by_name(request, "input").as_numpy()
            output = pb_utils.Tensor("output", rows)
            responses.append(pb_utils.InferenceResponse(output_tensors=[output]))
        return responses
