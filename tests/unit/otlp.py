"""OpenTelemetry's own definition of OTLP, as the judge of what we write."""

import base64
import json
from typing import Any

import pytest

HEX = ("traceId", "spanId", "parentSpanId")


def parse_otlp(text: str) -> Any:
    """The request to a collector's ``/v1/traces`` that a text of OTLP/JSON is.

    OTLP writes identifiers in hex where protobuf's JSON has Base64; the rest is protobuf's, which
    refuses what it does not know. Skips where OpenTelemetry's package is not installed.
    """
    service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    from google.protobuf.json_format import ParseDict

    document = json.loads(text, object_hook=_base64_identifiers)
    return ParseDict(document, service.ExportTraceServiceRequest())


def _base64_identifiers(value: dict[str, Any]) -> dict[str, Any]:
    for key in HEX:
        if key in value:
            value[key] = base64.b64encode(bytes.fromhex(value[key])).decode()
    return value
