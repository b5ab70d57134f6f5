"""Segmentation of volumes: MLPerf's 3D-UNet."""

from zport_zoo.layers import Network, Tensor

_WIDTHS = (32, 64, 128, 256, 320, 320)
"""Channels at each resolution, the full one first (arXiv:1904.02112)."""
_CLASSES = 3


def unet3d(net: Network, size: int = 128, levels: int = 6) -> None:
    """3D-UNet over a cube of ``size`` voxels a side, at ``levels`` resolutions."""
    widths = _WIDTHS[:levels]
    x = net.input("input", (1, 1, size, size, size))
    skipped = [_block(net, x, widths[0], 1)]
    for width in widths[1:]:
        skipped.append(_block(net, skipped[-1], width, 2))
    x = skipped.pop()
    for shortcut in reversed(skipped):
        x = net.upsample(x, shortcut.channels, 2)
        x = _block(net, net.concatenate([x, shortcut], axis=1), shortcut.channels, 1)
    net.output("output", net.convolution(x, _CLASSES, 1, bias=True))


def _block(net: Network, x: Tensor, width: int, stride: int) -> Tensor:
    """Two convolutions, each normalized over its own volume."""
    for step in (stride, 1):
        x = net.convolution(x, width, 3, step, padding=1)
        scales = net.weight((width,), 0.1, 1.0), net.weight((width,), 0.05)
        x = net.relu(net.each("InstanceNormalization", x, *scales))
    return x
