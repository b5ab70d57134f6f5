"""PyTorch's operators as its own profiler (Kineto's) records them.

One operator runs others inside it: ``aten::conv2d`` a convolution that makes an empty tensor. What
TorchScript calls by a name of its own, such as ``forward``, is among them.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from zport_agent.backends import OperatorRun


def operators(events: Iterable[Any]) -> Iterator[OperatorRun]:
    """Each recorded event; their times are in ns since the Unix epoch."""
    for event in events:
        name = event.name()
        inputs = [f"{dtype}[{','.join(map(str, shape))}]"
                  for dtype, shape in zip(event.dtypes(), event.shapes(), strict=True)
                  if shape]  # fmt: skip
        yield OperatorRun(
            name, name, event.start_ns(), event.duration_ns(), {"zport.inputs": inputs}
        )
