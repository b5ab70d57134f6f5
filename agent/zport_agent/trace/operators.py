"""The operators of a framework's own profile, as spans inside the predict calls they ran in."""

import bisect
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from zport_agent.backends import OperatorRun
from zport_agent.errors import UnsupportedError
from zport_agent.trace.spans import Span

_NODE = "Node"
_SUFFIX = "_kernel_time"
_MICROSECOND = 1000


def place_operators(
    ran: Iterable[OperatorRun], calls: Sequence[Span], **attributes: str
) -> list[Span]:
    """A span for each operator that began within one of the calls; others were for warming up.

    An operator that began while another one ran is inside it: that one has a subgraph. ``calls``
    are in order of time and do not overlap. Raises UnsupportedError when operators ran and none of
    them in a call: then the clock was set meanwhile.
    """
    marks = {f"zport.{key}": value for key, value in attributes.items()}
    ordered = sorted(ran, key=lambda one: (one.start, -one.duration))
    starts = [call.start for call in calls]
    spans: list[Span] = []
    around: list[Span] = []
    for one in ordered:
        index = bisect.bisect_right(starts, one.start) - 1
        if index < 0 or one.start >= calls[index].end:
            continue
        around = [span for span in around if one.start < span.end]
        parent = around[-1] if around else calls[index]
        own = {"zport.operator": one.operator, **one.attributes}
        span = Span(
            one.name, parent.identity, one.start, one.start + one.duration, attributes=marks | own
        )
        spans.append(span)
        around.append(span)
    if ordered and not spans:
        raise UnsupportedError(
            "the framework's profile has no operator within a predict call: "
            "was the clock set meanwhile? trace again"
        )
    return spans


def read_onnxruntime(path: Path, start: int) -> list[OperatorRun]:
    """The operators of the profile that ONNX Runtime wrote; ``start`` is when it began, in ns.

    It is in Chrome's trace event format, times in µs since the start. Raises UnsupportedError for
    a file that is not.
    """
    try:
        events = json.loads(path.read_text(encoding="utf-8", errors="replace"))
        return [
            OperatorRun(
                name=event["name"].removesuffix(_SUFFIX),
                operator=event["args"]["op_name"],
                start=start + event["ts"] * _MICROSECOND,
                duration=event["dur"] * _MICROSECOND,
                attributes=_onnxruntime_attributes(event["args"]),
            )
            for event in events
            if event["cat"] == _NODE and event["name"].endswith(_SUFFIX)
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnsupportedError(f"ONNX Runtime's profile cannot be read: {error!r}") from None


def _onnxruntime_attributes(given: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {
        f"zport.{side}s": [_type(one) for one in given.get(f"{side}_type_shape", [])]
        for side in ("input", "output")
    }
    if "provider" in given:
        kept["zport.provider"] = given["provider"]
    return kept


def _type(one: dict[str, list[int]]) -> str:
    """A tensor's type and shape, such as ``float[1,3,224,224]``."""
    [(name, shape)] = one.items()
    return f"{name}[{','.join(map(str, shape))}]"
