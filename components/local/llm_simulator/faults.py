"""Faults on demand: rules that decide what becomes of a call."""

from dataclasses import dataclass, field
from typing import Any

ACTIONS = ("status", "delay", "hold", "malformed", "reset")


@dataclass
class Rule:
    """One rule.

    Attributes:
        action: `status` answers with `status`; `delay` answers properly after `seconds`; `hold` answers
            properly once released (`POST /_release`), or never; `malformed` answers 200 with a body cut
            short; `reset` breaks the connection.
        match: substring of the last user message; empty matches every call.
        times: how many calls it still applies to; None: all.
        status: HTTP status for `status`.
        headers: headers for `status`, such as `{"Retry-After": "2"}`.
        message: error message for `status`; `{key}` becomes the key received, as careless upstreams do.
        seconds: for `delay`.
    """

    action: str
    match: str = ""
    times: int | None = None
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "simulated fault"
    seconds: float = 0.0


def parse_rules(document: Any) -> list[Rule]:  # noqa: ANN401
    """Rules from decoded JSON: a list of objects with the attributes of `Rule` as keys.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(document, list):
        raise ValueError("expected a list of rules")
    rules = []
    for entry in document:
        try:
            rule = Rule(**entry)
        except TypeError as error:
            raise ValueError(f"rule {entry!r}: {error}") from None
        if rule.action not in ACTIONS:
            raise ValueError(f"action {rule.action!r} is none of {', '.join(ACTIONS)}")
        rules.append(rule)
    return rules


def take(rules: list[Rule], prompt: str) -> Rule | None:
    """The first rule that applies to `prompt`, used up by one."""
    for rule in rules:
        if rule.match in prompt and rule.times != 0:
            if rule.times is not None:
                rule.times -= 1
            return rule
    return None
