"""The element types of ONNX tensors: their bytes in a file, and the numbers that those mean.

Every type has numbers that it holds exactly and whose bytes are no palindromes, so that a wrong
byte order cannot go unseen. What a file holds is little-endian; the expected arrays are the
machine's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from onnx_writer import (
    Tensor,
    packed,
    packed_doubles,
    packed_floats,
    parts,
    raw_content,
)

SMALL, LARGE = 5, 260
"""Counts of numbers: ONNX Runtime treats tensors up to 127 bytes otherwise than longer ones."""
FLOAT, INT32, INT64, STRING, BOOL = 1, 6, 7, 8, 9

Numbers = Sequence[Any]


@dataclass(frozen=True)
class ElementType:
    """``pattern`` gives the bits of each number in a file, ``typed`` the field of typed numbers.

    ``shown`` is numpy's type of the numbers where ONNX Runtime gives them to Python as they are;
    of other types the tests see what ``Cast`` or ``DequantizeLinear`` makes of them.
    """

    name: str
    kind: int
    numbers: Callable[[int], Numbers]
    pattern: str
    typed: int
    shown: str | None = None
    bits: Callable[[Numbers], Any] | None = None

    @property
    def is_text(self) -> bool:
        return self.kind == STRING

    @property
    def is_packed(self) -> bool:
        """Whether two numbers share a byte."""
        return self.name in ("int4", "uint4")

    @property
    def is_sparse(self) -> bool:
        """Whether there are sparse tensors of it."""
        return not self.is_text and not self.is_packed

    def patterns(self, numbers: Numbers) -> np.ndarray:
        """The numbers as a little-endian array of their bits."""
        if self.bits:
            return np.asarray(self.bits(numbers), dtype=self.pattern)
        return np.asarray(numbers, dtype=self.pattern)

    def raw(self, numbers: Numbers) -> bytes:
        """The numbers as they lie in a file."""
        return self.patterns(numbers).tobytes()

    def raw_tensor(self, numbers: Numbers, shape: tuple[int, ...] | None = None) -> Tensor:
        return Tensor(self.kind, shape or (len(numbers),), raw_content(self.raw(numbers)))

    def typed_tensor(self, numbers: Numbers, shape: tuple[int, ...] | None = None) -> Tensor:
        """The numbers in the field of their type: bits as integers where it has none."""
        shape = shape or (len(numbers),)
        if self.is_text:
            return Tensor(self.kind, shape, parts(6, numbers))
        if self.typed == 4:
            return Tensor(self.kind, shape, packed_floats(4, numbers))
        if self.typed == 10:
            return Tensor(self.kind, shape, packed_doubles(10, numbers))
        return Tensor(self.kind, shape, packed(self.typed, self.patterns(numbers).tolist()))

    def expected(self, numbers: Numbers) -> np.ndarray:
        """What the model's outputs have to be."""
        if self.is_text:
            return np.array(numbers, dtype=object)
        return np.array(numbers, dtype=np.dtype(self.shown or "f4"))


def integers(bits: int, *, signed: bool) -> Callable[[int], Numbers]:
    """A generator of integers: bytes that differ, the ends of the range among them."""

    def generate(count: int) -> list[int]:
        top = 1 << bits
        mixed = [(0x0123456789ABCDEF * (2 * i + 1) >> (64 - bits)) % top for i in range(count)]
        first = [1, top - 2, top >> 1, (top >> 1) - 2]
        whole = [*first, *mixed][:count]
        return [n - top if signed and n >= top >> 1 else n for n in whole]

    return generate


def cycle(*numbers: Any) -> Callable[[int], Numbers]:
    """A generator that repeats those."""
    return lambda count: [numbers[i % len(numbers)] for i in range(count)]


def roots(dtype: str) -> Callable[[int], Numbers]:
    """A generator of numbers that use every bit of their fraction."""

    def generate(count: int) -> list[float]:
        exact = [1.0, -2.0, *(sqrt(i) * (-1) ** i for i in range(2, count))]
        return np.array(exact[:count], dtype=dtype).astype("f8").tolist()

    return generate


def upper_half(numbers: Numbers) -> np.ndarray:
    """bfloat16: the upper half of a 32-bit float."""
    return np.asarray(numbers, dtype="<f4").view("<u4") >> 16


def pairs(numbers: Numbers) -> list[int]:
    """4-bit integers: two a byte, the first in its lower half."""
    whole = [*numbers, 0][: len(numbers) + len(numbers) % 2]
    return [low & 15 | (high & 15) << 4 for low, high in zip(whole[::2], whole[1::2], strict=True)]


def table(**codes: int) -> tuple[Callable[[int], Numbers], Callable[[Numbers], list[int]]]:
    """A generator and an encoder of 8-bit floats, written as ``_1_5=0x3C`` and ``m2=0xC0``."""
    known = {float(k.lstrip("_").replace("m", "-").replace("_", ".")): v for k, v in codes.items()}
    return cycle(*known), lambda numbers: [known[n] for n in numbers]


def small_float(name: str, kind: int, **codes: int) -> ElementType:
    """An 8-bit float type, whose codes were computed by hand from its definition."""
    numbers, encode = table(**codes)
    return ElementType(name, kind, numbers, "<u1", 5, bits=encode)


ELEMENT_TYPES = (
    ElementType("float", FLOAT, roots("f4"), "<f4", 4, "f4"),
    ElementType("double", 11, roots("f8"), "<f8", 10, "f8"),
    ElementType("float16", 10, roots("f2"), "<u2", 5, "f2",
                lambda n: np.asarray(n, dtype="<f2").view("<u2")),
    ElementType("bfloat16", 16, cycle(1.0, -2.5, 0.15625, 96.0, -0.0078125, 3.5), "<u2", 5,
                bits=upper_half),
    small_float("float8e4m3fn", 17, _1=0x38, m2=0xC0, _0_5=0x30, _1_5=0x3C, _448=0x7E),
    small_float("float8e4m3fnuz", 18, _1=0x40, m2=0xC8, _0_5=0x38, _1_5=0x44, _240=0x7F),
    small_float("float8e5m2", 19, _1=0x3C, m2=0xC0, _0_5=0x38, _1_5=0x3E, _57344=0x7B),
    small_float("float8e5m2fnuz", 20, _1=0x40, m2=0xC4, _0_5=0x3C, _1_5=0x42, _57344=0x7F),
    *(ElementType(f"int{bits}", kind, integers(bits, signed=True), f"<i{bits // 8}",
                  7 if bits == 64 else 5, f"i{bits // 8}")
      for bits, kind in ((8, 3), (16, 5), (32, INT32), (64, INT64))),
    *(ElementType(f"uint{bits}", kind, integers(bits, signed=False), f"<u{bits // 8}",
                  11 if bits > 16 else 5, f"u{bits // 8}")
      for bits, kind in ((8, 2), (16, 4), (32, 12), (64, 13))),
    ElementType("bool", BOOL, cycle(True, False, False, True, True), "<u1", 5, "bool"),
    ElementType("string", STRING, cycle("one", "größer", "", "λ", "5"), "O", 6, "O"),
    ElementType("int4", 22, cycle(1, -2, 7, -8, 3), "<u1", 5, bits=pairs),
    ElementType("uint4", 21, cycle(1, 14, 7, 8, 3), "<u1", 5, bits=pairs),
)  # fmt: skip
TYPES = {one.name: one for one in ELEMENT_TYPES}
