"""The speaker encoder (GE2E): three layers of LSTM, of whose last state a unit vector is made."""

from typing import Any

from torch import Tensor, nn


class VoiceEncoder(nn.Module):
    """(n, frames, 40) float32, mel spectra, to (n, 256), each of length 1."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(40, 256, num_layers=3, batch_first=True)
        self.linear = nn.Linear(256, 256)

    def forward(self, mels: Tensor) -> Tensor:
        _, (hidden, _) = self.lstm(mels)
        return nn.functional.normalize(nn.functional.relu(self.linear(hidden[-1])), dim=1)


def network(checkpoint: dict[str, Any]) -> nn.Module:
    """The network with the checkpoint's weights; what only training needs stays there."""
    model = VoiceEncoder()
    weights = checkpoint["model_state"]
    model.load_state_dict({name: weights[name] for name in model.state_dict()})
    return model
