"""Image classifiers: MLPerf Inference's ResNet-50 v1.5 and MobileNet v1, MLPerf Tiny's two."""

from zport_zoo.layers import Network, Tensor

_MOBILENET_BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
"""Channels and stride of each separable block (arXiv:1704.04861, table 1)."""


SHORTCUT_SCALE = 0.25
"""Of what is added to a shortcut: sixteen blocks then multiply the activations by about two."""


def resnet50(net: Network, classes: int = 1001) -> None:
    """ResNet-50 v1.5: a block's stride is at its 3x3 convolution, not at the first 1x1."""
    x = net.input("input_tensor", (1, 3, 224, 224))
    x = net.relu(net.batch_norm(net.convolution(x, 64, 7, 2, padding=3)))
    x = net.pool("Max", x, 3, 2, padding=1)
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            x = _bottleneck(net, x, width, 2 if block == 0 and width > 64 else 1)
    scores = net.classifier(net.global_average(x), classes)
    net.output("softmax_tensor", scores)
    net.output("classes", net.node("ArgMax", [scores], (1,), "int64", axis=1, keepdims=0))


def _bottleneck(net: Network, x: Tensor, width: int, stride: int) -> Tensor:
    inner = net.relu(net.batch_norm(net.convolution(x, width, 1)))
    inner = net.relu(net.batch_norm(net.convolution(inner, width, 3, stride, padding=1)))
    inner = net.batch_norm(net.convolution(inner, 4 * width, 1), scale=SHORTCUT_SCALE)
    shortcut = x
    if x.shape != inner.shape:
        shortcut = net.batch_norm(net.convolution(x, 4 * width, 1, stride))
    return net.relu(net.each("Add", inner, shortcut))


def mobilenet_v1(net: Network, size: int = 224, percent: int = 100, classes: int = 1001) -> None:
    """MobileNet v1, its channels cut to ``percent`` (the width multiplier)."""
    x = net.input("input", (1, 3, size, size))
    x = mobilenet_features(net, x, percent)[-1]
    net.output("scores", net.classifier(net.global_average(x), classes))


def mobilenet_features(net: Network, x: Tensor, percent: int = 100) -> list[Tensor]:
    """What each of MobileNet's 14 layers gives."""
    x = net.relu(net.batch_norm(net.convolution(x, 32 * percent // 100, 3, 2)), largest=6.0)
    features = [x]
    for channels, stride in _MOBILENET_BLOCKS:
        features.append(separable(net, features[-1], channels * percent // 100, stride))
    return features


def separable(net: Network, x: Tensor, channels: int, stride: int) -> Tensor:
    """A 3x3 convolution of each channel, then a 1x1 convolution, each normalized and clipped."""
    x = net.relu(net.batch_norm(net.depthwise(x, 3, stride)), largest=6.0)
    return net.relu(net.batch_norm(net.convolution(x, channels, 1)), largest=6.0)


def resnet8(net: Network, classes: int = 10) -> None:
    """MLPerf Tiny's image classification: three stages of one residual block each."""
    x = net.input("input", (1, 3, 32, 32))
    x = net.relu(net.batch_norm(net.convolution(x, 16, 3, bias=True)))
    for width, stride in ((16, 1), (32, 2), (64, 2)):
        inner = net.relu(net.batch_norm(net.convolution(x, width, 3, stride, bias=True)))
        inner = net.batch_norm(net.convolution(inner, width, 3, bias=True), scale=SHORTCUT_SCALE)
        shortcut = x if stride == 1 else net.convolution(x, width, 1, stride, bias=True)
        x = net.relu(net.each("Add", shortcut, inner))
    net.output("scores", net.classifier(net.global_average(x), classes))
