"""The part of the archive that keeps no state: windows with what was before them, 16 kHz."""

import torch


class Windows(torch.nn.Module):
    """(n, 576) float32 to the probabilities (n, 1) and the states (2, n, 128)."""

    def __init__(self, archive: torch.jit.ScriptModule) -> None:
        super().__init__()
        self.model = archive._model

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.model(x, torch.zeros(2, x.shape[0], 128))


def network(archive: torch.jit.ScriptModule) -> Windows:
    """What of the archive is run."""
    return Windows(archive)
