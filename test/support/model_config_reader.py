"""Reads config.pbtxt texts with protobuf's own parser and Triton's own message definition.

One JSON string a line on stdin, one JSON answer a line on stdout: {"config": {...}} or {"error": "..."}.
"""

import json
import sys

from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2


def read(text: str) -> dict[str, object]:
    try:
        config = text_format.Parse(text, model_config_pb2.ModelConfig())
    except text_format.ParseError as error:
        return {"error": str(error)}
    fields = json_format.MessageToDict(
        config, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return {"config": fields}


for line in sys.stdin:
    print(json.dumps(read(json.loads(line))), flush=True)
