from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from llm_support import KEY, Clock, Simulator  # first: makes the next two importable

# isort: split
from llm_proxy.settings import Settings
from llm_simulator.app import create_app


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    return file


@pytest.fixture
async def simulator(key_file: Path) -> AsyncIterator[Simulator]:
    app = create_app(api_key_file=key_file)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with ClientSession() as session:
        yield Simulator(f"http://127.0.0.1:{port}", session)
    await runner.cleanup()


@pytest.fixture
def settings(simulator: Simulator, key_file: Path) -> Callable[..., Settings]:
    """Settings for the simulator, with waits too short to notice."""

    def make(**changes: Any) -> Settings:  # noqa: ANN401
        values = {"base_url": f"{simulator.url}/v1", "api_key_file": key_file, "backoff_base_seconds": 1e-6}
        return Settings(**(values | changes))

    return make
