"""Calls every model once over HTTP and once over gRPC with Triton's own client.

Standard input: `{"http": "host:port", "grpc": "host:port", "tls", "apiKey", "cases": [...]}`. `tls` is null
for none, or `{"ca", "certificate", "key"}` with names of PEM files, each of which may be missing, as the API
key may be. A case is `{"model", "server", "inputs"}`.
Standard output: `[{"server", "model", "protocol", "milliseconds", "error"}]`, error being null for a success.
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


def over_http(job: dict) -> http_client.InferenceServerClient:
    """A client of the balancer's HTTP port."""
    tls = job["tls"]
    options = {} if tls is None or "ca" not in tls else {"ca_certs": tls["ca"]}
    if tls is not None and "certificate" in tls:
        options |= {"certfile": tls["certificate"], "keyfile": tls["key"]}
    return http_client.InferenceServerClient(
        job["http"], network_timeout=TIMEOUT_SECONDS, ssl=tls is not None, ssl_options=options
    )


def over_grpc(job: dict) -> grpc_client.InferenceServerClient:
    """A client of the balancer's gRPC port."""
    tls = job["tls"] or {}
    return grpc_client.InferenceServerClient(
        job["grpc"],
        ssl=job["tls"] is not None,
        root_certificates=tls.get("ca"),
        certificate_chain=tls.get("certificate"),
        private_key=tls.get("key"),
    )


def main() -> None:
    """Runs all calls one after the other."""
    job = json.load(sys.stdin)
    http, grpc = over_http(job), over_grpc(job)
    key = {"x-api-key": job["apiKey"]} if "apiKey" in job else {}
    results = []
    for case in job["cases"]:
        for protocol, client, module in (("http", http, http_client), ("grpc", grpc, grpc_client)):
            options = {} if protocol == "http" else {"client_timeout": TIMEOUT_SECONDS}
            started = time.perf_counter()
            try:
                client.infer(
                    case["model"],
                    [infer_input(module, tensor) for tensor in case["inputs"]],
                    headers={"x-triton-server": case["server"], **key},
                    **options,
                )
                error = None
            except Exception as failure:
                error = str(failure)
            milliseconds = (time.perf_counter() - started) * 1000
            outcome = {"protocol": protocol, "milliseconds": milliseconds, "error": error}
            results.append({"server": case["server"], "model": case["model"], **outcome})
    json.dump(results, sys.stdout)


main()
