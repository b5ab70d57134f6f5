"""MTCNN's third network: whether a window of 48 x 48 holds a face, where, and its landmarks."""

from collections import OrderedDict

from torch import Tensor, nn


class Output(nn.Module):
    """(n, 3, 48, 48) float32 to boxes (n, 4), landmarks (n, 10) and probabilities (n, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(OrderedDict(
            conv1=nn.Conv2d(3, 32, 3), prelu1=nn.PReLU(32),
            pool1=nn.MaxPool2d(3, 2, ceil_mode=True),
            conv2=nn.Conv2d(32, 64, 3), prelu2=nn.PReLU(64),
            pool2=nn.MaxPool2d(3, 2, ceil_mode=True),
            conv3=nn.Conv2d(64, 64, 3), prelu3=nn.PReLU(64),
            pool3=nn.MaxPool2d(2, 2, ceil_mode=True),
            conv4=nn.Conv2d(64, 128, 2), prelu4=nn.PReLU(128),
        ))  # fmt: skip
        self.dense = nn.Sequential(OrderedDict(dense5=nn.Linear(1152, 256), prelu5=nn.PReLU(256)))
        self.face = nn.Linear(256, 2)
        self.box = nn.Linear(256, 4)
        self.landmarks = nn.Linear(256, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        # The dense layers were trained on columns before rows.
        seen = self.dense(self.body(x).permute(0, 3, 2, 1).flatten(1))
        return self.box(seen), self.landmarks(seen), self.face(seen).softmax(1)


def network(weights: dict[str, Tensor]) -> nn.Module:
    """The network with its weights, by their names in the file."""
    places = {"dense5": "dense.dense5", "prelu5": "dense.prelu5",
              "dense6_1": "face", "dense6_2": "box", "dense6_3": "landmarks"}  # fmt: skip
    model = Output()
    model.load_state_dict({_named(name, places): value for name, value in weights.items()})
    return model


def _named(name: str, places: dict[str, str]) -> str:
    layer, _, rest = name.partition(".")
    return f"{places.get(layer, f'body.{layer}')}.{rest}"
