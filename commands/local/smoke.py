"""Calls every model once over HTTP and once over gRPC with Triton's own client.

Standard input: `{"http": "host:port", "grpc": "host:port", "cases": [{"model", "server", "inputs": [...]}]}`.
Standard output: `[{"model", "protocol", "milliseconds", "error"}]`, error being null for a success.
"""

import json
import sys
import time

import numpy as np
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from tritonclient.utils import triton_to_np_dtype

TIMEOUT_SECONDS = 130


def infer_input(module, tensor: dict):  # noqa: ANN001, ANN201 - the two clients' modules have the same shape
    """A request's input of either client."""
    dtype = triton_to_np_dtype(tensor["datatype"])
    data = [value.encode() for value in tensor["data"]] if tensor["datatype"] == "BYTES" else tensor["data"]
    array = np.array(data, dtype=dtype).reshape(tensor["shape"])
    result = module.InferInput(tensor["name"], tensor["shape"], tensor["datatype"])
    result.set_data_from_numpy(array)
    return result


def main() -> None:
    """Runs all calls one after the other."""
    job = json.load(sys.stdin)
    http = http_client.InferenceServerClient(job["http"], network_timeout=TIMEOUT_SECONDS)
    grpc = grpc_client.InferenceServerClient(job["grpc"])
    results = []
    for case in job["cases"]:
        for protocol, client, module in (("http", http, http_client), ("grpc", grpc, grpc_client)):
            options = {} if protocol == "http" else {"client_timeout": TIMEOUT_SECONDS}
            started = time.perf_counter()
            try:
                client.infer(
                    case["model"],
                    [infer_input(module, tensor) for tensor in case["inputs"]],
                    headers={"x-triton-server": case["server"]},
                    **options,
                )
                error = None
            except Exception as failure:
                error = str(failure)
            milliseconds = (time.perf_counter() - started) * 1000
            results.append(
                {"model": case["model"], "protocol": protocol, "milliseconds": milliseconds, "error": error}
            )
    json.dump(results, sys.stdout)


main()
