"""Rows of a table: trees and support vectors, with ONNX's classical operators (ai.onnx.ml)."""

from typing import Any

import numpy as np

from zport_zoo.layers import Network, Tensor
from zport_zoo.weights import Array, normal, uniform

FEATURES = 12
CLASSES = 4
_CLASSICAL = ("ai.onnx.ml", 3)
_LEAF, _BRANCH = "LEAF", "BRANCH_LEQ"


def _trees(net: Network, count: int, depth: int) -> tuple[dict[str, Any], Array, Array]:
    """Whole binary trees in the operators' form, and of each leaf its tree and its node.

    Node k's children are 2k+1 and 2k+2. Thresholds are multiples of 1/256, so that no rounding
    decides a branch.
    """
    size, branches = 2 ** (depth + 1) - 1, 2**depth - 1
    shape = (count, branches)
    features = (uniform("features", shape, net.seed) * FEATURES).astype(int)
    thresholds = np.round(normal("thresholds", shape, net.seed) * 128) / 256
    inner = np.arange(branches)
    leaves = size - branches

    def per_node(of_branches: Any, of_leaf: Any) -> list[Any]:
        rows = np.broadcast_to(of_branches, shape).tolist()
        return [value for row in rows for value in [*row, *[of_leaf] * leaves]]

    attributes = {
        "nodes_treeids": np.repeat(np.arange(count), size).tolist(),
        "nodes_nodeids": np.tile(np.arange(size), count).tolist(),
        "nodes_featureids": per_node(features, 0),
        "nodes_values": per_node(thresholds, 0.0),
        "nodes_modes": per_node(_BRANCH, _LEAF),
        "nodes_truenodeids": per_node(2 * inner + 1, 0),
        "nodes_falsenodeids": per_node(2 * inner + 2, 0),
    }
    trees = np.repeat(np.arange(count), leaves)
    return attributes, trees, np.tile(np.arange(branches, size), count)


def forest(net: Network, rows: int, trees: int = 100, depth: int = 6) -> None:
    """A random forest: each leaf gives its share of probability to every class."""
    x = net.input("features", (rows, FEATURES))
    attributes, of_tree, of_leaf = _trees(net, trees, depth)
    shares = uniform("leaves", (len(of_leaf), CLASSES), net.seed) ** 3
    shares /= shares.sum(axis=1, keepdims=True) * trees
    found = net.nodes(
        "TreeEnsembleClassifier",
        [x],
        [((rows,), "int64"), ((rows, CLASSES), "float32")],
        domain=_CLASSICAL,
        classlabels_int64s=list(range(CLASSES)),
        class_treeids=np.repeat(of_tree, CLASSES).tolist(),
        class_nodeids=np.repeat(of_leaf, CLASSES).tolist(),
        class_ids=list(range(CLASSES)) * len(of_leaf),
        class_weights=shares.ravel().tolist(),
        **attributes,
    )
    _classified(net, found)


def boosting(net: Network, rows: int, trees: int = 200, depth: int = 4) -> None:
    """Gradient boosting: the sum of one small value of each tree."""
    x = net.input("features", (rows, FEATURES))
    attributes, of_tree, of_leaf = _trees(net, trees, depth)
    values = normal("leaves", (len(of_leaf),), net.seed) * 0.1
    found = net.node(
        "TreeEnsembleRegressor",
        [x],
        (rows, 1),
        domain=_CLASSICAL,
        n_targets=1,
        target_treeids=of_tree.tolist(),
        target_nodeids=of_leaf.tolist(),
        target_ids=[0] * len(of_leaf),
        target_weights=values.tolist(),
        base_values=[0.5],
        **attributes,
    )
    net.output("value", found)


def support_vectors(net: Network, rows: int, vectors: int = 60) -> None:
    """A support vector machine with a Gaussian kernel over scaled features."""
    x = net.input("features", (rows, FEATURES))
    offset = normal("offset", (FEATURES,), net.seed) * 0.1
    scale = 1 + normal("scale", (FEATURES,), net.seed) * 0.1
    scaled = net.each("Scaler", x, domain=_CLASSICAL, offset=offset.tolist(), scale=scale.tolist())
    pairs = CLASSES * (CLASSES - 1) // 2
    total = vectors * CLASSES
    found = net.nodes(
        "SVMClassifier",
        [scaled],
        [((rows,), "int64"), ((rows, pairs), "float32")],
        domain=_CLASSICAL,
        classlabels_ints=list(range(CLASSES)),
        kernel_type="RBF",
        kernel_params=[1 / FEATURES, 0.0, 0.0],
        support_vectors=normal("vectors", (total * FEATURES,), net.seed).tolist(),
        vectors_per_class=[vectors] * CLASSES,
        coefficients=normal("weights", ((CLASSES - 1) * total,), net.seed).tolist(),
        rho=(normal("rho", (pairs,), net.seed) * 0.1).tolist(),
    )
    _classified(net, found)


def linear(net: Network, rows: int) -> None:
    """Logistic regression."""
    x = net.input("features", (rows, FEATURES))
    found = net.nodes(
        "LinearClassifier",
        [x],
        [((rows,), "int64"), ((rows, CLASSES), "float32")],
        domain=_CLASSICAL,
        classlabels_ints=list(range(CLASSES)),
        coefficients=normal("coefficients", (CLASSES * FEATURES,), net.seed).tolist(),
        intercepts=(normal("intercepts", (CLASSES,), net.seed) * 0.1).tolist(),
        multi_class=1,
        post_transform="SOFTMAX",
    )
    _classified(net, found)


def _classified(net: Network, found: list[Tensor]) -> None:
    net.output("label", found[0])
    net.output("scores", found[1])
