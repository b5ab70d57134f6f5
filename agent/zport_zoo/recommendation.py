"""Recommendation: MLPerf's DLRM, how likely somebody clicks on an advertisement."""

import numpy as np

from zport_zoo.layers import Network, Tensor

NUMBERS = 13
CATEGORIES = 26
WIDTH = 128


def dlrm(net: Network, rows: int = 2000, batch: int = 4) -> None:
    """DLRM (arXiv:1906.00091) for Criteo's 13 numbers and 26 categories.

    MLPerf's tables have up to 40 million rows, 100 GB in all; here each has ``rows``.
    """
    numbers = net.input("dense", (batch, NUMBERS))
    categories = net.input("categories", (batch, CATEGORIES), "int64")
    described = _layers(net, numbers, (512, 256, WIDTH))
    vectors = [net.reshape(described, (batch, 1, WIDTH))]
    for index in range(CATEGORIES):
        table = net.weight((rows, WIDTH), 0.5)
        chosen = net.gather(categories, net.constant([index]), axis=1)
        vectors.append(net.gather(table, chosen))
    x = net.concatenate([described, _interactions(net, vectors)], axis=1)
    x = net.dense(_layers(net, x, (1024, 1024, 512, 256)), 1)
    net.output("click", net.each("Sigmoid", x))


def _layers(net: Network, x: Tensor, sizes: tuple[int, ...]) -> Tensor:
    for size in sizes:
        x = net.relu(net.dense(x, size))
    return x


def _interactions(net: Network, vectors: list[Tensor]) -> Tensor:
    """The products of every two vectors, as long as one element of a vector is large."""
    count, batch = len(vectors), vectors[0].shape[0]
    stacked = net.concatenate(vectors, axis=1)
    turned = net.transpose(stacked, (0, 2, 1))
    products = net.node("MatMul", [stacked, turned], (batch, count, count))
    below, before = np.tril_indices(count, -1)
    flat = net.reshape(products, (batch, count * count))
    chosen = net.gather(flat, net.constant(below * count + before), axis=1)
    return net.each("Mul", chosen, net.constant(WIDTH**-0.5, "float32"))
