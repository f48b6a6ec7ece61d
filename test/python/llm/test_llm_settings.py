from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from llm_proxy.settings import Settings, load_settings
from llm_support import MODEL


def config(**parameters: str) -> dict[str, object]:
    return {"parameters": {name: {"string_value": value} for name, value in parameters.items()}}


def test_parameters_and_environment() -> None:
    environ = {
        "HOLYSHEEP_BASE_URL": "https://upstream.example/v2/",
        "HOLYSHEEP_MODEL": "m",
        "HOLYSHEEP_API_KEY_FILE": "/keys/llm",
        "HOLYSHEEP_API_KEY": "sk-ignored",
    }
    settings = load_settings(
        config(max_retries="0", price_prompt_usd="1.5", FORCE_CPU_ONLY_INPUT_TENSORS="no"), environ
    )
    assert (settings.max_retries, settings.price_prompt_usd) == (0, 1.5)
    assert settings.completions_url == "https://upstream.example/v2/chat/completions"
    assert (settings.model, settings.api_key_file) == ("m", Path("/keys/llm"))
    assert "sk-ignored" not in repr(settings)


def test_defaults_without_parameters_and_environment() -> None:
    assert load_settings({}, {"HOLYSHEEP_BASE_URL": ""}) == Settings()


def test_model_yaml_lists_every_parameter_with_its_default() -> None:
    section = (MODEL / "model.yaml").read_text().split("\nparameters:\n")[1].split("\n\n")[0]
    listed = dict(re.findall(r'^  (\w+): "([^"]+)"', section, re.MULTILINE))
    assert load_settings(config(**listed), {}) == Settings()
    assert {f.name for f in fields(Settings)} - {"base_url", "model", "api_key_file"} == set(listed)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"max_retrys": "4"}, "unknown parameter max_retrys; did you mean max_retries?"),
        ({"max_retries": "four"}, "max_retries must be a number, got 'four'"),
        ({"max_retries": "-1"}, "max_retries must be"),
        ({"max_concurrency": "0"}, "max_concurrency must be"),
        ({"total_deadline_seconds": "inf"}, "total_deadline_seconds must be a finite number"),
        ({"max_pending": "10"}, "max_pending_per_caller must not exceed max_pending"),
        ({"conversation_max_bytes": "10"}, "conversation_history_bytes must not exceed"),
    ],
)
def test_wrong_parameters_are_named(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        load_settings(config(**parameters), {})


@pytest.mark.parametrize("url", ["api.example", "ftp://x/v1", "https://user:pw@x/v1", "https://x/v1?key=1"])
def test_wrong_urls_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(ValueError, match="HOLYSHEEP_BASE_URL") as caught:
        load_settings({}, {"HOLYSHEEP_BASE_URL": url})
    assert url not in str(caught.value)


def test_a_second_instance_is_refused() -> None:
    with pytest.raises(ValueError, match="one instance"):
        load_settings({"instance_group": [{"count": 2}]}, {})
