"""Object detection: MLPerf's SSD-MobileNet, boxes decoded and the best ones chosen in the graph."""

import math

import numpy as np

from zport_zoo.images import mobilenet_features
from zport_zoo.layers import Network, Tensor
from zport_zoo.weights import Array

SIZE = 300
CLASSES = 91
BEST = 10
_EXTRA = ((256, 512), (128, 256), (128, 256), (64, 128))
"""Channels within and after each of the four layers that follow the backbone."""
_LARGEST_CHANGE = 4.0
"""A box changes its size by e to this at most, where trained weights would keep it near 1."""


def ssd_mobilenet(net: Network) -> None:
    """Six feature maps, 1917 anchors, 91 classes; the ten best boxes after suppression."""
    x = net.input("image", (1, 3, SIZE, SIZE))
    layers = mobilenet_features(net, x)
    maps = [layers[11], layers[13]]
    for inner, outer in _EXTRA:
        x = net.relu(net.batch_norm(net.convolution(maps[-1], inner, 1)), largest=6.0)
        maps.append(net.relu(net.batch_norm(net.convolution(x, outer, 3, 2)), largest=6.0))
    heads = [_head(net, x, 3 if level == 0 else 6) for level, x in enumerate(maps)]
    offsets = net.concatenate([offset for offset, _ in heads], axis=1)
    logits = net.concatenate([score for _, score in heads], axis=1)
    boxes = _decode(net, offsets, _anchors([x.shape[-1] for x in maps]))
    scores = net.each("Sigmoid", logits)
    net.output("boxes", boxes)
    net.output("scores", scores)
    _best(net, boxes, scores)


def _head(net: Network, x: Tensor, anchors: int) -> tuple[Tensor, Tensor]:
    """Box offsets (1, n, 4) and class scores (1, n, classes) of one feature map."""
    results = []
    for size in (4, CLASSES):
        found = net.transpose(net.convolution(x, anchors * size, 1, bias=True), (0, 2, 3, 1))
        count = anchors * x.shape[2] * x.shape[3]
        results.append(net.reshape(found, (1, count, size)))
    return results[0], results[1]


def _anchors(sizes: list[int]) -> Array:
    """Centre (y, x), height and width of each anchor, as parts of the image: float64 (n, 4)."""
    scales = [0.2 + 0.15 * level for level in range(6)] + [1.0]
    rows = []
    for level, size in enumerate(sizes):
        shapes = [(scales[level], ratio) for ratio in (1.0, 2.0, 0.5, 3.0, 1 / 3)]
        shapes.append((math.sqrt(scales[level] * scales[level + 1]), 1.0))
        if level == 0:
            shapes = [(0.1, 1.0), (scales[0], 2.0), (scales[0], 0.5)]
        for y, x in np.ndindex(size, size):
            centre = [(y + 0.5) / size, (x + 0.5) / size]
            for scale, ratio in shapes:
                root = math.sqrt(ratio)
                rows.append([*centre, scale / root, scale * root])
    return np.asarray(rows)


def _decode(net: Network, offsets: Tensor, anchors: Array) -> Tensor:
    """Boxes as (top, left, bottom, right), each cut to the image."""
    count = len(anchors)
    centre = net.constant(anchors[np.newaxis, :, :2], "float32")
    extent = net.constant(anchors[np.newaxis, :, 2:], "float32")
    half = net.constant(0.5, "float32")
    halves = [((1, count, 2), "float32")] * 2
    moved, grown = net.nodes("Split", [offsets, net.constant([2, 2])], halves, axis=2)
    moved = net.each("Mul", moved, net.constant(0.1, "float32"))
    middle = net.each("Add", net.each("Mul", moved, extent), centre)
    grown = net.each("Clip", net.each("Mul", grown, net.constant(0.2, "float32")),
                     net.constant(-_LARGEST_CHANGE, "float32"),
                     net.constant(_LARGEST_CHANGE, "float32"))  # fmt: skip
    reach = net.each("Mul", net.each("Mul", net.each("Exp", grown), extent), half)
    corners = [net.each("Sub", middle, reach), net.each("Add", middle, reach)]
    return net.relu(net.concatenate(corners, axis=2), largest=1.0)


def _best(net: Network, boxes: Tensor, scores: Tensor) -> None:
    """The ten boxes with the best class score that do not overlap much."""
    count = scores.shape[1]
    best = net.node("ReduceMax", [scores], (1, count, 1), axes=[2])
    limits = [net.constant([BEST]), net.constant([0.5], "float32")]
    chosen = net.node("NonMaxSuppression", [boxes, net.transpose(best, (0, 2, 1)), *limits],
                      (BEST, 3), "int64")  # fmt: skip
    rows = net.gather(chosen, net.constant(2), axis=1)
    flat = net.reshape(best, (count,))
    net.output("detection_boxes", net.gather(net.reshape(boxes, (count, 4)), rows))
    net.output("detection_scores", net.gather(flat, rows))
