"""The stable error codes of the model and what each means to retry, breaker and client."""

import re
from enum import StrEnum
from typing import NamedTuple

# What a quoted piece of an upstream's body may take of an error message, in characters.
QUOTE_CHARS = 200

# OpenAI-style upstreams repeat (part of) the key in their 401 bodies.
_KEY_LIKE = re.compile(r"\b(?:sk|hs)-[\w*.\-]+|Bearer\s+\S+", re.IGNORECASE)


class Code(StrEnum):
    """First word of every error this model returns; clients may match on it, so a value is never renamed."""

    INVALID_INPUT = "LLM_INVALID_INPUT"
    REJECTED = "LLM_REJECTED"
    NO_KEY = "LLM_NO_KEY"
    UNAUTHORIZED = "LLM_UNAUTHORIZED"
    FORBIDDEN = "LLM_FORBIDDEN"
    NOT_FOUND = "LLM_NOT_FOUND"
    RATE_LIMITED = "LLM_RATE_LIMITED"
    UPSTREAM_ERROR = "LLM_UPSTREAM_ERROR"
    UPSTREAM_UNREACHABLE = "LLM_UPSTREAM_UNREACHABLE"
    UPSTREAM_TIMEOUT = "LLM_UPSTREAM_TIMEOUT"
    BAD_RESPONSE = "LLM_BAD_RESPONSE"
    CIRCUIT_OPEN = "LLM_CIRCUIT_OPEN"
    OVERLOADED = "LLM_OVERLOADED"
    DEADLINE = "LLM_DEADLINE"
    CANCELLED = "LLM_CANCELLED"
    SHUTTING_DOWN = "LLM_SHUTTING_DOWN"
    INTERNAL = "LLM_INTERNAL"


class Traits(NamedTuple):
    """How a code is treated."""

    triton: str
    """Name of the `TritonError` code; decides the HTTP and gRPC status a client sees."""
    retried: bool = False
    """Whether another attempt may follow."""
    trips: bool = False
    """Whether the circuit breaker counts it as a failure of the upstream."""


# 401 and 403 are faults of our key, 400 and 404 of the request or the settings: the upstream works, and
# holding calls back would only hide the code that says what to mend. 429 is an upstream that works and says
# when to come back, which the retries honour. So none of them trips the breaker. A body that is no
# completion (BAD_RESPONSE) is not retried: the tokens of a 200 are already paid for.
TRAITS: dict[Code, Traits] = {
    Code.INVALID_INPUT: Traits("INVALID_ARG"),
    Code.REJECTED: Traits("INVALID_ARG"),
    Code.NO_KEY: Traits("INTERNAL"),
    Code.UNAUTHORIZED: Traits("INTERNAL"),
    Code.FORBIDDEN: Traits("INTERNAL"),
    Code.NOT_FOUND: Traits("INTERNAL"),
    Code.RATE_LIMITED: Traits("UNAVAILABLE", retried=True),
    Code.UPSTREAM_ERROR: Traits("UNAVAILABLE", retried=True, trips=True),
    Code.UPSTREAM_UNREACHABLE: Traits("UNAVAILABLE", retried=True, trips=True),
    Code.UPSTREAM_TIMEOUT: Traits("UNAVAILABLE", retried=True, trips=True),
    Code.BAD_RESPONSE: Traits("INTERNAL", trips=True),
    Code.CIRCUIT_OPEN: Traits("UNAVAILABLE"),
    Code.OVERLOADED: Traits("UNAVAILABLE"),
    Code.DEADLINE: Traits("UNAVAILABLE"),
    Code.CANCELLED: Traits("CANCELLED"),
    Code.SHUTTING_DOWN: Traits("UNAVAILABLE"),
    Code.INTERNAL: Traits("INTERNAL"),
}


class LlmError(Exception):
    """A failure with a stable code; `str()` is what the client reads."""

    def __init__(self, code: Code, message: str, *, retry_after: float | None = None) -> None:
        """Describe a failure.

        Args:
            code: the stable code.
            message: what happened and, where there is one, the mend. Must not hold a secret.
            retry_after: seconds the upstream asked to wait, if it did.
        """
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retry_after = retry_after

    @property
    def traits(self) -> Traits:
        """How this error is treated."""
        return TRAITS[self.code]

    def prefixed(self, prefix: str) -> "LlmError":
        """The same failure with `prefix` between the code and the message."""
        return LlmError(self.code, f"{prefix}{self.message}", retry_after=self.retry_after)

    def suffixed(self, suffix: str) -> "LlmError":
        """The same failure with `suffix` after the message."""
        return LlmError(self.code, f"{self.message}{suffix}", retry_after=self.retry_after)


def quote(text: str, secret: str = "") -> str:
    """Shorten foreign text to one line of QUOTE_CHARS characters, without `secret` and key-like words."""
    if secret:
        text = text.replace(secret, "***")
    text = " ".join(_KEY_LIKE.sub("***", text).split())
    return text if len(text) <= QUOTE_CHARS else text[: QUOTE_CHARS - 1] + "…"
