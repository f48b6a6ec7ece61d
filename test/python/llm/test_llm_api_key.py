from __future__ import annotations

import logging
from pathlib import Path

import pytest
from llm_proxy.api_key import GRACE_SECONDS, ApiKey
from llm_proxy.errors import Code, LlmError
from llm_support import KEY, Clock


def failure(key: ApiKey) -> LlmError:
    with pytest.raises(LlmError) as caught:
        key.get()
    assert caught.value.code is Code.NO_KEY
    return caught.value


def test_reads_anew_when_the_file_changes(key_file: Path, clock: Clock) -> None:
    key = ApiKey(key_file, clock)
    assert key.get() == KEY
    key_file.write_text("sk-second")
    assert key.get() == "sk-second"


def test_follows_a_link_that_is_swapped_as_kubernetes_does(tmp_path: Path, clock: Clock) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "key").write_text(f"sk-{name}")
    link = tmp_path / "data"
    link.symlink_to("old")
    key = ApiKey(link / "key", clock)
    assert key.get() == "sk-old"
    swap = tmp_path / "swap"
    swap.symlink_to("new")
    swap.rename(link)
    assert key.get() == "sk-new"


@pytest.mark.parametrize("withdraw", [lambda file: file.write_text(""), lambda file: file.unlink()])
def test_a_file_between_two_writes_fails_no_call(key_file: Path, clock: Clock, withdraw: object) -> None:
    key = ApiKey(key_file, clock)
    key.get()
    withdraw(key_file)
    assert key.get() == KEY
    clock.now += GRACE_SECONDS
    assert key.get() == KEY
    clock.now += 0.1
    failure(key)
    key_file.write_text("sk-back")
    assert key.get() == "sk-back"


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"sk-x\nAuthorization: y", "more than one word"),
        (b"sk-x two", "more than one word"),
        (b"sk-\xff", "no key has"),
    ],
)
def test_unusable_content_is_named_and_not_quoted(
    tmp_path: Path, clock: Clock, content: bytes, hint: str
) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    error = failure(ApiKey(file, clock))
    assert hint in str(error)
    assert "sk-" not in str(error)


def test_no_file_says_how_to_mend_it(tmp_path: Path, clock: Clock) -> None:
    assert "HOLYSHEEP_API_KEY_FILE" in str(failure(ApiKey(None, clock)))
    assert "does not exist" in str(failure(ApiKey(tmp_path / "none", clock)))


def test_key_is_not_logged(key_file: Path, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = ApiKey(key_file, clock)
    key.get()
    key_file.write_text("sk-second")
    key.get()
    assert "API key changed" in caplog.text
    for secret in (KEY, "sk-second"):
        assert secret not in caplog.text
        assert secret not in repr(key)
