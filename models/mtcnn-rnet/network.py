"""MTCNN's second network: whether a window of 24 x 24 holds a face, and where exactly."""

from collections import OrderedDict

from torch import Tensor, nn


class Refinement(nn.Module):
    """(n, 3, 24, 24) float32 to boxes (n, 4) and probabilities (n, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(OrderedDict(
            conv1=nn.Conv2d(3, 28, 3), prelu1=nn.PReLU(28),
            pool1=nn.MaxPool2d(3, 2, ceil_mode=True),
            conv2=nn.Conv2d(28, 48, 3), prelu2=nn.PReLU(48),
            pool2=nn.MaxPool2d(3, 2, ceil_mode=True),
            conv3=nn.Conv2d(48, 64, 2), prelu3=nn.PReLU(64),
        ))  # fmt: skip
        self.dense = nn.Sequential(OrderedDict(dense4=nn.Linear(576, 128), prelu4=nn.PReLU(128)))
        self.face = nn.Linear(128, 2)
        self.box = nn.Linear(128, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        # The dense layers were trained on columns before rows.
        seen = self.dense(self.body(x).permute(0, 3, 2, 1).flatten(1))
        return self.box(seen), self.face(seen).softmax(1)


def network(weights: dict[str, Tensor]) -> nn.Module:
    """The network with its weights, by their names in the file."""
    places = {"dense4": "dense.dense4", "prelu4": "dense.prelu4",
              "dense5_1": "face", "dense5_2": "box"}  # fmt: skip
    model = Refinement()
    model.load_state_dict({_named(name, places): value for name, value in weights.items()})
    return model


def _named(name: str, places: dict[str, str]) -> str:
    layer, _, rest = name.partition(".")
    return f"{places.get(layer, f'body.{layer}')}.{rest}"
