"""The network whose 16 kHz weights the package has as safetensors."""

import torch
from torch import nn
from torch.nn import functional


class VoiceActivity(nn.Module):
    """(n, 576) float32 to the probabilities (n, 1) and the states (2, n, 128)."""

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 258, 256, stride=128, bias=False)
        self.conv1 = nn.Conv1d(129, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, 128, 3, padding=1)
        self.lstm_cell = nn.LSTMCell(128, 128)
        self.final_conv = nn.Conv1d(128, 1, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        spectrum = self.stft_conv(functional.pad(x.unsqueeze(1), (0, 64), mode="reflect"))
        real, imaginary = spectrum.chunk(2, dim=1)
        seen = torch.sqrt(real**2 + imaginary**2)
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            seen = functional.relu(layer(seen))
        hidden, cell = self.lstm_cell(seen.squeeze(-1))
        heard = torch.sigmoid(self.final_conv(functional.relu(hidden).unsqueeze(-1)))
        return heard.squeeze(1).mean(1, keepdim=True), torch.stack([hidden, cell])


def network(weights: dict[str, torch.Tensor]) -> nn.Module:
    """The network with its weights, by their names in the file."""
    model = VoiceActivity()
    model.load_state_dict(weights)
    return model
