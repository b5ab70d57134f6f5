"""Text: MLPerf's BERT-large, which finds the answer to a question in a paragraph."""

import math

from zport_zoo.layers import Network, Tensor

WIDTH = 1024
HEADS = 16
VOCABULARY = 30522
_DEVIATION = 0.02
"""Of BERT's weights before training (arXiv:1810.04805)."""
_MASKED = -10000.0


def bert_large(net: Network, tokens: int = 384, layers: int = 24) -> None:
    """BERT-large with a start and an end score for each token."""
    ids, mask, segments = (
        net.input(name, (1, tokens), "int64") for name in ("input_ids", "input_mask", "segment_ids")
    )
    x = _embeddings(net, ids, segments, tokens)
    hidden = _hidden_tokens(net, mask, tokens)
    for _ in range(layers):
        x = _normalized(net, net.each("Add", x, _attention(net, x, hidden, tokens)))
        inner = _gelu(net, net.dense(x, 4 * WIDTH))
        # Half of what a He layer gives: it is added to the shortcut.
        x = _normalized(net, net.each("Add", x, net.dense(inner, WIDTH, 0.5 / math.sqrt(WIDTH))))
    scores = net.transpose(net.dense(x, 2, _DEVIATION), (2, 0, 1))
    halves = [((1, 1, tokens), "float32")] * 2
    for name, half in zip(("start", "end"), net.nodes("Split", [scores], halves, axis=0),
                          strict=True):  # fmt: skip
        net.output(f"output_{name}_logits", net.reshape(half, (1, tokens)))


def _embeddings(net: Network, ids: Tensor, segments: Tensor, tokens: int) -> Tensor:
    word = net.gather(net.weight((VOCABULARY, WIDTH), _DEVIATION), ids)
    segment = net.gather(net.weight((2, WIDTH), _DEVIATION), segments)
    place = net.weight((1, tokens, WIDTH), _DEVIATION)
    return _normalized(net, net.each("Add", net.each("Add", word, segment), place))


def _normalized(net: Network, x: Tensor) -> Tensor:
    scale, bias = net.weight((WIDTH,), 0.1, 1.0), net.weight((WIDTH,), 0.05)
    return net.each("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-12)


def _hidden_tokens(net: Network, mask: Tensor, tokens: int) -> Tensor:
    """What is added to attention scores: a large negative number where the mask is 0."""
    real = net.node("Cast", [mask], mask.shape, "float32", to=1)
    hidden = net.node("Sub", [net.constant(1.0, "float32"), real], mask.shape)
    spread = net.reshape(hidden, (1, 1, 1, tokens))
    return net.each("Mul", spread, net.constant(_MASKED, "float32"))


def _attention(net: Network, x: Tensor, hidden: Tensor, tokens: int) -> Tensor:
    size = WIDTH // HEADS
    deviation = 1 / math.sqrt(WIDTH)

    def heads(order: tuple[int, ...]) -> Tensor:
        projected = net.dense(x, WIDTH, deviation)
        return net.transpose(net.reshape(projected, (1, tokens, HEADS, size)), order)

    query, key, value = heads((0, 2, 1, 3)), heads((0, 2, 3, 1)), heads((0, 2, 1, 3))
    scores = net.node("MatMul", [query, key], (1, HEADS, tokens, tokens))
    scores = net.each("Mul", scores, net.constant(1 / math.sqrt(size), "float32"))
    weights = net.each("Softmax", net.each("Add", scores, hidden), axis=-1)
    seen = net.node("MatMul", [weights, value], (1, HEADS, tokens, size))
    merged = net.reshape(net.transpose(seen, (0, 2, 1, 3)), (1, tokens, WIDTH))
    return net.dense(merged, WIDTH, deviation)


def _gelu(net: Network, x: Tensor) -> Tensor:
    """x/2 (1 + erf(x/sqrt 2)), written out as MLPerf's file has it."""
    curve = net.each("Erf", net.each("Mul", x, net.constant(math.sqrt(0.5), "float32")))
    curve = net.each("Add", curve, net.constant(1.0, "float32"))
    return net.each("Mul", net.each("Mul", x, net.constant(0.5, "float32")), curve)
