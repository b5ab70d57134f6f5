"""Pillow on its target: samples of 16 and 32 bits in both orders, and files that round-trip."""

import io
import struct
import unittest
import zlib

from PIL import Image, ImageDraw, ImageFilter, features

SAMPLES = (0, 1, 258, 0x1234, 0xFFFF, 40000)
SIZE = (3, 2)


def packed(order: str, kind: str, values: tuple[float, ...] = SAMPLES) -> bytes:
    """The samples as bytes in that order."""
    return struct.pack(f"{order}{len(values)}{kind}", *values)


def tiff(order: str) -> bytes:
    """A TIFF file with one strip of 16-bit samples, written by hand."""
    mark = {"<": b"II", ">": b"MM"}[order]
    short, long = 3, 4
    entries = (
        (256, long, SIZE[0]),
        (257, long, SIZE[1]),
        (258, short, 16),
        (259, short, 1),
        (262, short, 1),
        (273, long, 8),
        (277, short, 1),
        (278, long, SIZE[1]),
        (279, long, 12),
    )
    folder = struct.pack(f"{order}H", len(entries))
    for tag, kind, value in entries:
        folder += struct.pack(f"{order}HHI", tag, kind, 1)
        folder += struct.pack(f"{order}HH" if kind == short else f"{order}I", *(
            (value, 0) if kind == short else (value,)
        ))  # fmt: skip
    start = mark + struct.pack(f"{order}HI", 42, 20)
    return start + packed(order, "H") + folder + bytes(4)


def png16() -> bytes:
    """A PNG file of 16-bit samples, which are big-endian there."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    rows = b"".join(b"\0" + packed(">", "H", SAMPLES[i : i + 3]) for i in (0, 3))
    head = struct.pack(">IIBBBBB", *SIZE, 16, 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def values(image: Image.Image) -> tuple[int, ...]:
    """The samples of an image, row by row."""
    width, height = image.size
    return tuple(image.getpixel((x, y)) for y in range(height) for x in range(width))


class Order(unittest.TestCase):
    """Samples wider than a byte."""

    def test_16_bits(self) -> None:
        for mode, order in (("I;16", "<"), ("I;16B", ">")):
            image = Image.frombytes(mode, SIZE, packed(order, "H"))
            assert values(image) == SAMPLES, mode
            assert image.tobytes() == packed(order, "H"), mode
            assert values(image.convert("I")) == SAMPLES, mode

    def test_32_bits(self) -> None:
        wide = (0, -1, 1 << 30, -(1 << 31), 258, 7)
        for raw, order in (("I;32S", "<"), ("I;32BS", ">")):
            image = Image.frombytes("I", SIZE, packed(order, "i", wide), "raw", raw)
            assert values(image) == wide, raw

    def test_floats(self) -> None:
        numbers = (0.0, 1.5, -2.25, 1e30, -1e-30, 0.1)
        for raw, order in (("F;32F", "<"), ("F;32BF", ">")):
            image = Image.frombytes("F", SIZE, packed(order, "f", numbers), "raw", raw)
            exact = struct.unpack("<6f", packed("<", "f", numbers))
            assert values(image) == exact, raw

    def test_channels(self) -> None:
        image = Image.frombytes("RGB", (1, 2), bytes([1, 2, 3, 250, 150, 50]))
        assert values(image) == ((1, 2, 3), (250, 150, 50))
        assert [values(band) for band in image.split()] == [(1, 250), (2, 150), (3, 50)]
        assert image.convert("RGBA").tobytes().hex() == "010203fffa9632ff"
        assert image.transpose(Image.Transpose.FLIP_TOP_BOTTOM).tobytes().hex() == "fa9632010203"
        assert image.convert("L").tobytes() == bytes([2, 168])

    def test_tiff_of_both_orders(self) -> None:
        for order in "<>":
            with Image.open(io.BytesIO(tiff(order))) as image:
                assert values(image) == SAMPLES, (order, values(image))

    def test_png_of_16_bits(self) -> None:
        with Image.open(io.BytesIO(png16())) as image:
            assert values(image.convert("I")) == SAMPLES
            again = io.BytesIO()
            image.save(again, "PNG")
        with Image.open(again) as image:
            assert values(image.convert("I")) == SAMPLES


class Files(unittest.TestCase):
    """What is written is read again."""

    def setUp(self) -> None:
        self.image = Image.new("RGB", (64, 48), (10, 200, 90))
        ImageDraw.Draw(self.image).ellipse((8, 8, 40, 40), fill=(250, 20, 30))

    def written(self, kind: str, **options: object) -> Image.Image:
        file = io.BytesIO()
        self.image.save(file, kind, **options)
        file.seek(0)
        return Image.open(file).convert("RGB")

    def test_without_loss(self) -> None:
        cases = (
            ("PNG", {}),
            ("BMP", {}),
            ("PPM", {}),
            ("TIFF", {"compression": "tiff_lzw"}),
            ("TIFF", {"compression": "tiff_adobe_deflate"}),
            ("WEBP", {"lossless": True}),
            ("JPEG2000", {"irreversible": False}),
        )
        for kind, options in cases:
            assert self.written(kind, **options).tobytes() == self.image.tobytes(), kind

    def test_with_loss(self) -> None:
        for kind in ("JPEG", "WEBP"):
            again = self.written(kind, quality=95)
            for place in ((2, 2), (24, 24), (60, 45)):
                pairs = zip(again.getpixel(place), self.image.getpixel(place), strict=True)
                assert all(abs(a - b) < 8 for a, b in pairs), (kind, place)

    def test_arithmetic(self) -> None:
        assert self.image.resize((1, 1), Image.Resampling.BOX).size == (1, 1)
        flat = Image.new("RGB", (30, 30), (7, 77, 177)).filter(ImageFilter.GaussianBlur(3))
        assert flat.getcolors() == [(900, (7, 77, 177))]
        ramp = Image.frombytes("L", (4, 1), bytes([0, 100, 200, 100]))
        assert ramp.resize((2, 1), Image.Resampling.BOX).tobytes() == bytes([50, 150])

    def test_every_library_is_there(self) -> None:
        for name in ("jpg", "jpg_2000", "zlib", "libtiff", "webp", "freetype2", "littlecms2"):
            assert features.check(name), name


if __name__ == "__main__":
    unittest.main()
