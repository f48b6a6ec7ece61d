"""Calls one model over gRPC over and over with Triton's own asyncio client.

Standard input: `{"target", "model", "headers", "inputs": [...], "callers", "seconds" or "calls"}`.
Standard output: `{"calls": [[seconds since the start, milliseconds], ...], "errors": n}`.
"""

import asyncio
import json
import sys
import time
from typing import Any

import numpy as np
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

TIMEOUT_SECONDS = 60


def _input(tensor: dict[str, Any]) -> InferInput:
    dtype = triton_to_np_dtype(tensor["datatype"])
    data = [value.encode() for value in tensor["data"]] if tensor["datatype"] == "BYTES" else tensor["data"]
    result = InferInput(tensor["name"], tensor["shape"], tensor["datatype"])
    result.set_data_from_numpy(np.array(data, dtype=dtype).reshape(tensor["shape"]))
    return result


async def _load(job: dict[str, Any]) -> dict[str, Any]:
    inputs = [_input(tensor) for tensor in job["inputs"]]
    calls: list[tuple[float, float]] = []
    errors = 0
    left = job.get("calls")

    async with InferenceServerClient(job["target"]) as client:
        await client.is_server_live(headers=job["headers"])
        started = time.perf_counter()

        def take() -> bool:
            """Whether there is a call to make, which is then the caller's."""
            nonlocal left
            if left is None:
                return time.perf_counter() - started < job["seconds"]
            left -= 1
            return left >= 0

        async def call_on() -> None:
            nonlocal errors
            while take():
                before = time.perf_counter()
                try:
                    await client.infer(
                        job["model"], inputs, headers=job["headers"], client_timeout=TIMEOUT_SECONDS
                    )
                except InferenceServerException:
                    errors += 1
                else:
                    now = time.perf_counter()
                    calls.append((now - started, (now - before) * 1000))

        await asyncio.gather(*(call_on() for _ in range(job["callers"])))
    return {"calls": calls, "errors": errors}


if __name__ == "__main__":
    json.dump(asyncio.run(_load(json.load(sys.stdin))), sys.stdout)
