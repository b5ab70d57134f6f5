"""PyTorch on its target: what it says of itself, known sums, archives of either byte order.

It needs nothing but the wheel. The folder ``suite`` has archives of other machines.
"""

import io
import math
import platform
import struct
import sys
import unittest
import warnings
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import torch

warnings.filterwarnings("ignore", "ComplexHalf support is experimental")

AT_HWCAP, HWCAP_S390_VXE = 16, 1 << 13
"""Of the auxiliary vector: what the kernel says of the processor; vectors of floats, as of z14."""
OTHER = {"little": "big", "big": "little"}[sys.byteorder]
WIDTHS = {
    torch.int16: 2, torch.int32: 4, torch.int64: 8, torch.uint16: 2, torch.uint64: 8,
    torch.float16: 2, torch.bfloat16: 2, torch.float32: 4, torch.float64: 8,
    torch.complex32: 2, torch.complex64: 4, torch.complex128: 8,
    torch.bool: 1, torch.uint8: 1, torch.float8_e5m2: 1,
}  # fmt: skip
"""Bytes of the numbers that a type's elements consist of."""


def sample(dtype: torch.dtype) -> torch.Tensor:
    """Numbers that every type holds and no type has in palindromes of bytes."""
    numbers = torch.tensor([1.0, 2.0, 96.0, 3.0])
    return (numbers * (1 + 7j) if dtype.is_complex else numbers).to(dtype)


def reverse(content: bytes, width: int) -> bytes:
    """The same numbers in the other byte order."""
    return b"".join(content[i : i + width][::-1] for i in range(0, len(content), width))


def other(archive: bytes, width: int) -> bytes:
    """The archive as a machine of the other byte order writes it; all its numbers are so wide."""
    copy = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(copy, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            folder, _, file = name.rpartition("/")
            if file == "byteorder":
                assert content.decode() == sys.byteorder
                content = OTHER.encode()
            elif file.isdigit() and folder.endswith(("/data", "/constants")):
                content = reverse(content, width)
            target.writestr(name, content)
    return copy.getvalue()


def saved(save: Callable[[object, io.BytesIO], None], thing: object) -> bytes:
    """The archive that it is saved to."""
    file = io.BytesIO()
    save(thing, file)
    return file.getvalue()


class Holder(torch.nn.Module):
    """Gives a tensor that it holds, and its input as it is."""

    def __init__(self, tensor: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("held", tensor)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.held, x


def held(archive: bytes) -> torch.Tensor:
    """What a holder in TorchScript holds."""
    tensor, x = torch.jit.load(io.BytesIO(archive))(torch.ones(2))
    assert x.tolist() == [1.0, 1.0]
    return tensor


def wrong(
    loaded: Callable[[torch.dtype], torch.Tensor], dtypes: Iterable[torch.dtype]
) -> list[torch.dtype]:
    """The types whose sample is not what was loaded."""
    return [one for one in dtypes if bits(loaded(one)) != bits(sample(one))]


def bits(tensor: torch.Tensor) -> tuple[torch.dtype, list[int]]:
    """All that there is to compare: a NaN and a negative zero as well."""
    return tensor.dtype, tensor.view(torch.uint8).tolist()


class Itself(unittest.TestCase):
    """What it says of itself is so."""

    def test_configuration(self) -> None:
        said = torch.__config__.show()
        assert "BLAS_INFO=open" in said and "LAPACK_INFO=open" in said, said
        for absent in ("CUDA", "MKLDNN", "NNPACK", "ROCM"):
            assert f"USE_{absent}=OFF" in said or f"USE_{absent}=0" in said, (absent, said)
        assert torch.__version__ == "2.6.0"
        assert not torch.cuda.is_available()
        assert not torch.distributed.is_available()
        assert torch.backends.openmp.is_available()

    def test_vector_kernels_are_chosen_at_run_time(self) -> None:
        capability = torch.backends.cpu.get_cpu_capability()
        assert capability in torch.__config__.show()
        if platform.machine() == "s390x":
            told = dict(struct.iter_unpack("=QQ", Path("/proc/self/auxv").read_bytes()))
            assert capability == ("Z VECTOR" if told[AT_HWCAP] & HWCAP_S390_VXE else "DEFAULT")
        elif platform.machine() == "x86_64":
            assert capability in ("NO AVX", "AVX2", "AVX512")

    def test_quantized_products_are_refused(self) -> None:
        """There is no engine for them; quantized numbers there are."""
        assert torch.backends.quantized.supported_engines == ["none"]
        weight = torch.quantize_per_tensor(torch.ones(2, 2), 0.5, 0, torch.qint8)
        assert weight.dequantize().tolist() == [[1.0, 1.0], [1.0, 1.0]]
        with self.assertRaisesRegex(RuntimeError, "NoQEngine"):
            torch.ops.quantized.linear_prepack(weight, None)


class Sums(unittest.TestCase):
    """Results that are known."""

    def test_products(self) -> None:
        for dtype in (torch.float32, torch.float64, torch.complex64, torch.bfloat16):
            left = torch.arange(35 * 17).remainder(5).reshape(35, 17)
            right = torch.arange(17 * 41).remainder(7).reshape(17, 41)
            product = left.to(dtype) @ right.to(dtype)
            exact = (left.unsqueeze(2) * right.unsqueeze(0)).sum(1)
            # Whole numbers up to 256 are exact in bfloat16 as well.
            assert exact.max() <= 256 and torch.equal(product, exact.to(dtype)), dtype

    def test_products_of_vectors(self) -> None:
        """Whole numbers; Fortran gives a float and a complex number back in a way of its own."""
        for dtype in (torch.float32, torch.float64, torch.complex64, torch.complex128):
            x, y = torch.arange(1, 20).to(dtype), torch.arange(3, 22).to(dtype)
            assert torch.dot(x, y) == 2850
            if dtype.is_complex:
                assert torch.dot(x * (1 + 2j), y) == 2850 * (1 + 2j)
                assert torch.vdot(x * (1 + 2j), y) == 2850 * (1 - 2j)

    def test_functions(self) -> None:
        """More elements than a vector, and some left over; the standard library has the truth."""
        for dtype, error in ((torch.float32, 2e-6), (torch.float64, 1e-14)):
            x = torch.linspace(0.01, 0.99, 37, dtype=dtype)
            for name in ("exp", "log", "sin", "cos", "tan", "tanh", "erf", "sqrt", "asin", "log1p"):
                exact = [getattr(math, name)(float(n)) for n in x]
                found = getattr(torch, name)(x)
                wanted = torch.tensor(exact, dtype=torch.float64)
                assert torch.allclose(found.double(), wanted, rtol=error, atol=error), name
            powers = torch.pow(x, 1.5)
            exact = torch.tensor([float(n) ** 1.5 for n in x], dtype=torch.float64)
            assert torch.allclose(powers.double(), exact, rtol=error)

    def test_networks(self) -> None:
        image = torch.arange(2 * 3 * 8 * 8, dtype=torch.float32).remainder(11).reshape(2, 3, 8, 8)
        kernel = torch.arange(4 * 3 * 3 * 3, dtype=torch.float32).remainder(5).reshape(4, 3, 3, 3)
        columns = torch.nn.functional.unfold(image, 3)
        exact = (kernel.reshape(4, 27) @ columns).reshape(2, 4, 6, 6)
        assert torch.equal(torch.nn.functional.conv2d(image, kernel), exact)
        assert torch.allclose(torch.softmax(image, 1).sum(1), torch.ones(2, 8, 8))
        assert torch.max_pool2d(image, 2).shape == (2, 3, 4, 4)

    def test_linear_algebra(self) -> None:
        matrix = torch.tensor([[4.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 2.0]]).double()
        solved = torch.linalg.solve(matrix, torch.tensor([6.0, 10.0, 8.0]).double())
        assert torch.allclose(solved, torch.tensor([1.0, 2.0, 3.0]).double())
        assert torch.allclose(torch.linalg.eigvalsh(matrix).sum(), torch.tensor(9.0).double())
        assert torch.allclose(torch.linalg.det(matrix), torch.tensor(18.0).double())
        wave = torch.sin(torch.arange(64).double() * math.tau * 5 / 64)
        assert torch.fft.rfft(wave).abs().argmax() == 5

    def test_random_numbers(self) -> None:
        """The same as on every machine."""
        torch.manual_seed(0)
        known = torch.tensor([0.49625659, 0.76822180, 0.08847743])
        assert torch.allclose(torch.rand(3), known)
        assert torch.randint(0, 1 << 40, (2,)).dtype == torch.int64

    def test_gradients_and_compiled_code(self) -> None:
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        (x**3).sum().backward()
        assert x.grad is not None and x.grad.tolist() == [3.0, 12.0]
        scripted = torch.jit.script(torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Flatten()))
        assert scripted(torch.tensor([[-1.0, 2.0]])).tolist() == [[0.0, 2.0]]

    def test_numpy(self) -> None:
        array = torch.arange(6).reshape(2, 3).numpy()
        assert array.sum() == 15 and torch.from_numpy(array + 1).sum() == 21
        with self.assertRaisesRegex(ValueError, "byte order"):
            torch.from_numpy(array.astype(array.dtype.newbyteorder()))


class Archives(unittest.TestCase):
    """Numbers of machines of the other byte order come out as they were, whatever their type."""

    def test_zip_format(self) -> None:
        def loaded(dtype: torch.dtype) -> torch.Tensor:
            return torch.load(io.BytesIO(other(saved(torch.save, sample(dtype)), WIDTHS[dtype])))

        self.assertEqual(wrong(loaded, WIDTHS), [])

    def test_legacy_format(self) -> None:
        """It is little-endian on every machine."""

        def loaded(dtype: torch.dtype) -> torch.Tensor:
            file = io.BytesIO()
            torch.save(sample(dtype), file, _use_new_zipfile_serialization=False)
            native = bytes(sample(dtype).view(torch.uint8).tolist())
            little = native if sys.byteorder == "little" else reverse(native, WIDTHS[dtype])
            assert little in file.getvalue(), dtype
            file.seek(0)
            return torch.load(file)

        self.assertEqual(wrong(loaded, WIDTHS.keys() - torch.storage._new_dtypes()), [])

    def test_weights_of_torchscript(self) -> None:
        def loaded(dtype: torch.dtype) -> torch.Tensor:
            module = torch.jit.trace(Holder(sample(dtype)), torch.zeros(1))
            return held(other(saved(torch.jit.save, module), WIDTHS[dtype]))

        self.assertEqual(wrong(loaded, WIDTHS), [])

    def test_constants_of_torchscript(self) -> None:
        def loaded(dtype: torch.dtype) -> torch.Tensor:
            module = torch.jit.freeze(torch.jit.trace(Holder(sample(dtype)).eval(), torch.zeros(1)))
            archive = other(saved(torch.jit.save, module), WIDTHS[dtype])
            with zipfile.ZipFile(io.BytesIO(archive)) as file:
                assert any("/constants/0" in name for name in file.namelist())
            return held(archive)

        self.assertEqual(wrong(loaded, WIDTHS), [])

    def test_an_order_that_nobody_has(self) -> None:
        module = torch.jit.trace(Holder(sample(torch.float32)), torch.zeros(1))
        archive = other(saved(torch.jit.save, module), 4).replace(OTHER.encode(), b"x" * len(OTHER))
        with self.assertRaisesRegex(RuntimeError, "xxx"):
            torch.jit.load(io.BytesIO(archive))


if __name__ == "__main__":
    unittest.main()
