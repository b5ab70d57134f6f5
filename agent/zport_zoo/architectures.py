"""Every architecture by the name that a manifest gives it, and how its file is made."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from zport_agent.errors import UsageError
from zport_zoo import detection, images, recommendation, sounds, tables, text, volumes
from zport_zoo.layers import Network

ARCHITECTURES: Mapping[str, Callable[..., None]] = {
    "resnet50": images.resnet50,
    "mobilenet-v1": images.mobilenet_v1,
    "resnet8": images.resnet8,
    "ssd-mobilenet": detection.ssd_mobilenet,
    "unet3d": volumes.unet3d,
    "bert-large": text.bert_large,
    "dlrm": recommendation.dlrm,
    "keyword-spotting": sounds.keyword_spotting,
    "wake-word": sounds.wake_word,
    "autoencoder": sounds.autoencoder,
    "forest": tables.forest,
    "boosting": tables.boosting,
    "support-vectors": tables.support_vectors,
    "linear": tables.linear,
}


def build(architecture: str, seed: int, options: Mapping[str, int]) -> bytes:
    """The ONNX file of an architecture with weights from a seed.

    ``options`` are the architecture's own, such as ``layers``. Raises UsageError when the
    architecture or one of its options is unknown, or one that it needs is missing.
    """
    function = ARCHITECTURES.get(architecture)
    if function is None:
        known = ", ".join(ARCHITECTURES)
        raise UsageError(f"no architecture '{architecture}'; known are {known}")
    net = Network(architecture, seed)
    signature = inspect.signature(function)
    try:
        arguments: Any = signature.bind(net, **options)
    except TypeError as error:
        own = ", ".join(list(signature.parameters)[1:]) or "none"
        raise UsageError(f"architecture '{architecture}': {error}; its options are {own}") from None
    function(*arguments.args, **arguments.kwargs)
    return net.serialized()
