"""Settings: the model's parameters (model.yaml) and the server's environment."""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

DEFAULT_BASE_URL = "https://api.holysheep.ai/v1"
DEFAULT_MODEL = "deepseek-v3-250328"

DEFAULT_MAX_TOKENS = 2048
DEFAULT_TEMPERATURE = 0.7


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be tuned. Times in seconds, sizes in bytes, prices in USD per million tokens."""

    base_url: str = DEFAULT_BASE_URL
    """From HOLYSHEEP_BASE_URL: the API's root, to which `/chat/completions` is added."""
    model: str = DEFAULT_MODEL
    """From HOLYSHEEP_MODEL: the upstream's name of the model."""
    api_key_file: Path | None = None
    """From HOLYSHEEP_API_KEY_FILE: the key's file; without it each call fails with LLM_NO_KEY."""

    max_retries: int = 4
    """Attempts after the first."""
    backoff_base_seconds: float = 0.5
    """Upper end of the first backoff, doubled for each further one; waits are uniform from 0 to it."""
    backoff_cap_seconds: float = 8.0
    """Largest upper end of a backoff. `Retry-After` is not capped by it, only by the deadline."""
    connect_timeout_seconds: float = 5.0
    """For one TCP and TLS connection."""
    attempt_timeout_seconds: float = 75.0
    """For one attempt as a whole."""
    total_deadline_seconds: float = 120.0
    """For one request: queueing, all attempts and the waits between them."""

    max_concurrency: int = 128
    """Upstream calls at one time."""
    max_pending: int = 512
    """Rows admitted and unanswered: running, queued, backing off or awaiting their conversation."""
    max_pending_per_caller: int = 256
    """The same for one caller, so that one caller's flood leaves room for the others."""

    max_tokens_limit: int = 8192
    """Largest `max_tokens` a client may ask for."""
    max_prompt_bytes: int = 262_144
    """Largest prompt."""

    breaker_failures: int = 10
    """Upstream failures in a row after which the circuit opens."""
    breaker_open_seconds: float = 10.0
    """How long it stays open before one probe is let through."""

    conversation_ttl_seconds: float = 3600.0
    """How long a conversation is kept after its last turn."""
    conversation_max_entries: int = 10_000
    """Conversations kept; the least recently used go first."""
    conversation_max_bytes: int = 67_108_864
    """UTF-8 bytes of all conversations kept; the least recently used go first."""
    conversation_history_bytes: int = 32_768
    """UTF-8 bytes of earlier turns sent with a prompt (about 4 per token); the oldest turns are dropped."""

    price_prompt_usd: float = 0.42
    """Price of a million prompt tokens."""
    price_completion_usd: float = 0.42
    """Price of a million completion tokens."""
    price_reference_usd: float = 8.0
    """Price of a million tokens at the provider that the cost is compared with."""

    cancel_poll_seconds: float = 1.0
    """How often running requests are checked for a client that went away; shorter calls are never checked."""
    shutdown_grace_seconds: float = 5.0
    """How long unloading waits for running calls before they fail with LLM_SHUTTING_DOWN."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work, naming the parameter."""
        url = urlsplit(self.base_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError("HOLYSHEEP_BASE_URL must be an http(s) URL with a host")
        if url.username or url.password or url.query or url.fragment:
            raise ValueError("HOLYSHEEP_BASE_URL must have no credentials, query or fragment")
        if not self.model:
            raise ValueError("HOLYSHEEP_MODEL must not be empty")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float):
                lowest = 0 if field.name in _MAY_BE_ZERO else math.ulp(0.0)
                if not (math.isfinite(value) and value >= lowest):
                    raise ValueError(f"parameter {field.name} must be a finite number above 0, got {value}")
        if self.conversation_history_bytes > self.conversation_max_bytes:
            raise ValueError("parameter conversation_history_bytes must not exceed conversation_max_bytes")
        if self.max_pending_per_caller > self.max_pending:
            raise ValueError("parameter max_pending_per_caller must not exceed max_pending")

    @property
    def completions_url(self) -> str:
        """Where a completion is asked for."""
        return self.base_url.rstrip("/") + "/chat/completions"


_MAY_BE_ZERO = {
    "max_retries",
    "price_prompt_usd",
    "price_completion_usd",
    "price_reference_usd",
    "shutdown_grace_seconds",
}

_PARAMETERS = {
    f.name: f.type for f in fields(Settings) if f.name not in ("base_url", "model", "api_key_file")
}


def load_settings(model_config: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """Read the settings of one model.

    Args:
        model_config: Triton's model configuration as decoded from JSON.
        environ: the process's environment.

    Raises:
        ValueError: a parameter is unknown or out of range. Triton fails the load with the message.
    """
    values: dict[str, Any] = {}
    for name, holder in model_config.get("parameters", {}).items():
        # The backend's own parameters are in capitals (EXECUTION_ENV_PATH, FORCE_CPU_ONLY_INPUT_TENSORS).
        if name.isupper():
            continue
        if name not in _PARAMETERS:
            near = difflib.get_close_matches(name, _PARAMETERS, n=1)
            raise ValueError(f"unknown parameter {name}" + (f"; did you mean {near[0]}?" if near else ""))
        text = holder["string_value"]
        try:
            values[name] = _PARAMETERS[name](text)
        except ValueError:
            raise ValueError(f"parameter {name} must be a number, got {text!r}") from None
    # One process holds all conversations, one breaker and one bound on concurrency; a second instance would
    # be a second process with its own of each. An event loop needs no further instance to run calls side by
    # side.
    if sum(group.get("count", 1) for group in model_config.get("instance_group", [])) > 1:
        raise ValueError("this model must have one instance: raise max_concurrency instead")
    key_file = environ.get("HOLYSHEEP_API_KEY_FILE")
    return Settings(
        base_url=environ.get("HOLYSHEEP_BASE_URL") or DEFAULT_BASE_URL,
        model=environ.get("HOLYSHEEP_MODEL") or DEFAULT_MODEL,
        api_key_file=Path(key_file) if key_file else None,
        **values,
    )
