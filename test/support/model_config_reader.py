"""Reads config.pbtxt texts with protobuf's own parser and Triton's own message definition.

One JSON string a line on stdin, one JSON answer a line on stdout: {"message": "<hexadecimal>"} or
{"error": "..."}.
Two texts mean the same message if, and only if, they give the same bytes: maps are sorted, defaults left out.
"""

import json
import sys

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2


def read(text: str) -> dict[str, str]:
    try:
        config = text_format.Parse(text, model_config_pb2.ModelConfig())
    # Enum numbers beyond 32 bits and texts that are no Unicode; nested too deep, Python gives up.
    except (text_format.ParseError, ValueError, RecursionError) as error:
        return {"error": str(error)}
    return {"message": config.SerializeToString(deterministic=True).hex()}


for line in sys.stdin:
    print(json.dumps(read(json.loads(line))), flush=True)
