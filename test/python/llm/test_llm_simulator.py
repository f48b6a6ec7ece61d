from __future__ import annotations

import asyncio
import re
import sys

from aiohttp import ClientSession
from llm_support import KEY, SIMULATOR, Simulator


async def complete(session: ClientSession, url: str, prompt: str, **more: object) -> tuple[int, dict]:
    body = {"model": "m", "messages": [{"role": "user", "content": prompt}], **more}
    headers = {"Authorization": f"Bearer {KEY}"}
    async with session.post(f"{url}/v1/chat/completions", json=body, headers=headers) as response:
        return response.status, await response.json()


async def test_answers_are_reproducible_and_respect_max_tokens(simulator: Simulator) -> None:
    async with ClientSession() as session:
        _, first = await complete(session, simulator.url, "Tell me")
        _, second = await complete(session, simulator.url, "Tell me")
        _, short = await complete(session, simulator.url, "Tell me", max_tokens=3)
    assert first["choices"] == second["choices"]
    assert "simulator" in first["choices"][0]["message"]["content"]
    assert short["choices"][0]["message"]["content"].split() == ["This", "is", "the"]
    assert short["choices"][0]["finish_reason"] == "length"
    assert short["usage"]["completion_tokens"] == 3


async def test_refuses_nonsense(simulator: Simulator) -> None:
    async with ClientSession() as session:
        assert (await complete(session, simulator.url, "x", max_tokens=0))[0] == 400
        assert (await complete(session, simulator.url, "x", messages=[]))[0] == 400
        async with session.post(f"{simulator.url}/_faults", json=[{"action": "explode"}]) as response:
            assert response.status == 400
            assert "explode" in await response.text()


async def test_runs_by_its_folders_path() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SIMULATOR), "--port", "0", stdout=asyncio.subprocess.PIPE
    )
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
        url = re.search(r"http://[\d.:]+", line)[0]
        async with ClientSession() as session:
            async with session.get(f"{url}/healthz") as response:
                assert response.status == 200
            assert (await complete(session, url, "hello"))[0] == 200
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 10) == 0
