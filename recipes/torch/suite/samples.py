"""Tensors of every type, the same on every machine, and modules that hold them."""

from __future__ import annotations

import torch

ORDINARY = (
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
    torch.uint16, torch.uint32, torch.uint64,
    torch.float16, torch.bfloat16, torch.float32, torch.float64,
    torch.float8_e4m3fn, torch.float8_e5m2,
    torch.complex32, torch.complex64, torch.complex128,
)  # fmt: skip
NUMBERS = (1.0, -2.0, 3.5, 0.0, 224.0, -0.25)
COUNTS = (1, 2, 100, 0, 77, 5)


def ordinary(dtype: torch.dtype) -> torch.Tensor:
    """Six numbers of the type; the bytes of none but zero are the same in reverse."""
    if dtype.is_complex:
        return torch.tensor([complex(n, 10 * n + 1) for n in NUMBERS]).to(dtype)
    if dtype.is_floating_point:
        return torch.tensor(NUMBERS).to(dtype)
    signed = [(-1) ** i * n for i, n in enumerate(COUNTS)]
    return torch.tensor(signed if dtype.is_signed else COUNTS).to(dtype)


def quantized() -> dict[str, torch.Tensor]:
    """Quantized tensors, by name."""
    numbers = torch.tensor(NUMBERS).reshape(2, 3)
    scales, zeros = torch.tensor([0.5, 8.0], dtype=torch.float64), torch.tensor([0, 3])
    return {
        "quint8": torch.quantize_per_tensor(numbers, 2.0, 100, torch.quint8),
        "qint8": torch.quantize_per_tensor(numbers, 8.0, 0, torch.qint8),
        "qint32": torch.quantize_per_tensor(numbers, 0.125, 5, torch.qint32),
        "per_channel": torch.quantize_per_channel(numbers, scales, zeros, 0, torch.qint8),
    }


def views() -> dict[str, torch.Tensor]:
    """Three views of one storage, one of them from its middle, one with steps."""
    base = torch.arange(12, dtype=torch.float32) * 1.5
    return {"base": base, "offset": base[3:], "strided": base.reshape(3, 4).t()[1:]}


def tensors() -> dict[str, torch.Tensor]:
    """All samples, by name."""
    plain = {name_of(dtype): ordinary(dtype) for dtype in ORDINARY}
    shapes = {"scalar": torch.tensor(2.5), "empty": torch.empty(0, 3)}
    return plain | quantized() | views() | shapes


def classic() -> dict[str, torch.Tensor]:
    """Those whose storages have classes of their own: all that the older formats can hold."""
    new = {name_of(dtype) for dtype in torch.storage._new_dtypes()}
    return {name: tensor for name, tensor in tensors().items() if name not in new}


def name_of(dtype: torch.dtype) -> str:
    """``float32`` for ``torch.float32``."""
    return str(dtype).removeprefix("torch.")


class Holder(torch.nn.Module):
    """Gives what it holds, and its input plus one."""

    def __init__(self, held: dict[str, torch.Tensor]) -> None:
        super().__init__()
        for name, tensor in held.items():
            # Module has attributes such as ``bfloat16`` itself.
            self.register_buffer(f"held_{name}", tensor)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (*self.buffers(), x + 1)


def traced(held: dict[str, torch.Tensor], *, frozen: bool = False) -> torch.jit.ScriptModule:
    """The holder in TorchScript; a frozen one has the tensors as constants of its code."""
    module = torch.jit.trace(Holder(held).eval(), torch.zeros(2))
    return torch.jit.freeze(module) if frozen else module


def content(tensor: torch.Tensor) -> tuple[object, ...]:
    """Type, shape, quantization and bytes: equal for tensors that are alike to the bit."""
    head = (str(tensor.dtype), tuple(tensor.shape))
    if tensor.is_quantized:
        if tensor.qscheme() == torch.per_tensor_affine:
            scheme = (tensor.q_scale(), tensor.q_zero_point())
        else:
            parts = tensor.q_per_channel_scales(), tensor.q_per_channel_zero_points()
            scheme = tuple(content(part) for part in parts)
        return (*head, scheme, content(tensor.int_repr()))
    flat = tensor.contiguous().reshape(-1)
    return (*head, bytes(flat.view(torch.uint8).tolist()))
