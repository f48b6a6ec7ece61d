"""Triton's requests and responses on one side, the service's on the other."""

import json
import math
from typing import Any

import numpy as np

from .errors import Code, LlmError
from .service import ANONYMOUS, Request
from .settings import DEFAULT_MAX_TOKENS, DEFAULT_TEMPERATURE, Settings
from .upstream import Ask, Completion

CALLER = "x-caller-id"
CONVERSATION = "x-conversation-id"
MAX_ID_CHARS = 256
MAX_TEMPERATURE = 2.0


class Tensors:
    """Translates with Triton's module, which exists only inside the server's process for this model."""

    def __init__(self, pb_utils: Any, settings: Settings) -> None:  # noqa: ANN401
        """Translate with `triton_python_backend_utils`, checking inputs against `settings`."""
        self._pb = pb_utils
        self._settings = settings

    def read(self, request: Any) -> Request:  # noqa: ANN401
        """Validate an inference request.

        Raises:
            LlmError: LLM_INVALID_INPUT, naming the row where one is at fault.
        """
        tensors = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        prompts = tensors["prompt"].reshape(-1)
        rows = len(prompts)
        limits = _column(tensors, "max_tokens", rows, DEFAULT_MAX_TOKENS)
        heats = _column(tensors, "temperature", rows, DEFAULT_TEMPERATURE)
        asks = [
            self._ask(row, *values) for row, values in enumerate(zip(prompts, limits, heats, strict=True))
        ]
        caller, conversation = identity(request.parameters())
        return Request(asks, caller, conversation)

    def response(self, answers: list[Completion]) -> Any:  # noqa: ANN401
        """The inference response of a request's answers; the last number of `usage` flags success."""
        text = np.array([[answer.text.encode()] for answer in answers], dtype=np.object_)
        usage = np.array(
            [[a.prompt_tokens, a.completion_tokens, a.total_tokens, 1] for a in answers], dtype=np.int32
        )
        return self._pb.InferenceResponse(
            output_tensors=[self._pb.Tensor("generated_text", text), self._pb.Tensor("usage", usage)]
        )

    def failure(self, error: LlmError) -> Any:  # noqa: ANN401
        """The inference response of a failed request."""
        code = getattr(self._pb.TritonError, error.traits.triton)
        return self._pb.InferenceResponse(error=self._pb.TritonError(str(error), code))

    def _ask(self, row: int, prompt: bytes, max_tokens: int, temperature: float) -> Ask:
        limit = self._settings.max_prompt_bytes
        if not prompt:
            raise LlmError(Code.INVALID_INPUT, f"row {row}: prompt is empty")
        if len(prompt) > limit:
            raise LlmError(
                Code.INVALID_INPUT, f"row {row}: prompt has {len(prompt)} bytes of at most {limit}"
            )
        try:
            text = prompt.decode()
        except UnicodeDecodeError:
            raise LlmError(Code.INVALID_INPUT, f"row {row}: prompt is not UTF-8") from None
        if not 1 <= max_tokens <= self._settings.max_tokens_limit:
            raise LlmError(
                Code.INVALID_INPUT,
                f"row {row}: max_tokens must be 1 to {self._settings.max_tokens_limit}, got {max_tokens}",
            )
        if not (math.isfinite(temperature) and 0.0 <= temperature <= MAX_TEMPERATURE):
            raise LlmError(
                Code.INVALID_INPUT,
                f"row {row}: temperature must be 0 to {MAX_TEMPERATURE:g}, got {temperature:g}",
            )
        # FP32 0.7 is 0.699999988079071 as a double: send what the client wrote.
        return Ask(text, int(max_tokens), float(f"{temperature:.7g}"))


def _column(tensors: dict[str, Any], name: str, rows: int, default: float) -> list[Any]:
    values = tensors.get(name)
    return [default] * rows if values is None else values.reshape(-1).tolist()


def identity(parameters: str) -> tuple[str, str | None]:
    """The caller and the conversation id among a request's parameters.

    Triton turns the headers that its forward patterns name into parameters, beside those a client writes
    into the request itself. A client could write a caller id there; two different values, in any spelling
    of the name, are therefore refused. (Behind the balancer the true one is always among them.)

    Args:
        parameters: JSON, as Triton hands it over.

    Raises:
        LlmError: LLM_INVALID_INPUT.
    """
    found: dict[str, str] = {}

    def collect(pairs: list[tuple[str, Any]]) -> None:
        for name, value in pairs:
            name = name.lower()
            if name not in (CALLER, CONVERSATION):
                continue
            if not isinstance(value, str) or len(value) > MAX_ID_CHARS:
                raise LlmError(
                    Code.INVALID_INPUT, f"{name} must be a string of at most {MAX_ID_CHARS} characters"
                )
            if found.setdefault(name, value) != value:
                raise LlmError(Code.INVALID_INPUT, f"{name} is given twice, with different values")

    if parameters:
        json.loads(parameters, object_pairs_hook=collect)
    return found.get(CALLER, ANONYMOUS), found.get(CONVERSATION) or None
