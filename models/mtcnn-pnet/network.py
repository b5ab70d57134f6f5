"""MTCNN's first network: wherever it looks, whether a face is there and where exactly."""

from collections import OrderedDict

from torch import Tensor, nn


class Proposals(nn.Module):
    """(n, 3, h, w) float32 to boxes (n, 4, ...) and probabilities (n, 2, ...)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(OrderedDict(
            conv1=nn.Conv2d(3, 10, 3), prelu1=nn.PReLU(10),
            pool1=nn.MaxPool2d(2, 2, ceil_mode=True),
            conv2=nn.Conv2d(10, 16, 3), prelu2=nn.PReLU(16),
            conv3=nn.Conv2d(16, 32, 3), prelu3=nn.PReLU(32),
        ))  # fmt: skip
        self.face = nn.Conv2d(32, 2, 1)
        self.box = nn.Conv2d(32, 4, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        seen = self.body(x)
        return self.box(seen), self.face(seen).softmax(1)


def network(weights: dict[str, Tensor]) -> nn.Module:
    """The network with its weights, by their names in the file."""
    heads = {"conv4_1": "face", "conv4_2": "box"}
    model = Proposals()
    model.load_state_dict({_named(name, heads): value for name, value in weights.items()})
    return model


def _named(name: str, heads: dict[str, str]) -> str:
    layer, _, rest = name.partition(".")
    return f"{heads.get(layer, f'body.{layer}')}.{rest}"
