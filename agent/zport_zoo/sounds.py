"""MLPerf Tiny's sound models: keyword spotting, streaming wake word, anomaly detection."""

from zport_zoo.layers import Network


def keyword_spotting(net: Network) -> None:
    """DS-CNN over 49 frames of 10 MFCCs; 12 words."""
    x = net.input("features", (1, 1, 49, 10))
    x = net.relu(net.batch_norm(net.convolution(x, 64, (10, 4), 2, bias=True)))
    for _ in range(4):
        x = net.relu(net.batch_norm(net.depthwise(x, 3)))
        x = net.relu(net.batch_norm(net.convolution(x, 64, 1, bias=True)))
    net.output("words", net.classifier(net.global_average(x), 12))


def wake_word(net: Network) -> None:
    """Separable convolutions in time over 30 frames of 40 mel energies; 3 classes."""
    x = net.input("features", (1, 40, 30))
    for channels, kernel in ((128, 3), (64, 5), (64, 10), (32, 15)):
        x = net.depthwise(x, kernel, padding="valid")
        x = net.relu(net.batch_norm(net.convolution(x, channels, 1)))
    net.output("scores", net.dense(net.reshape(x, (1, 32)), 3))


def autoencoder(net: Network) -> None:
    """Ten dense layers that give back 640 mel energies; what they miss is unusual."""
    x = net.input("features", (1, 640))
    for size in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = net.relu(net.batch_norm(net.dense(x, size)))
    net.output("reconstruction", net.dense(x, 640))
