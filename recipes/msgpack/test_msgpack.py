"""MessagePack on its target: the bytes that the format prescribes, which are big-endian."""

import struct
import unittest

import msgpack
from msgpack import Timestamp
from msgpack._cmsgpack import Packer, Unpacker

CASES = (
    (127, "7f"),
    (255, "ccff"),
    (256, "cd0100"),
    (65536, "ce00010000"),
    (1 << 32, "cf0000000100000000"),
    (-1, "ff"),
    (-129, "d1ff7f"),
    (-32769, "d2ffff7fff"),
    (-(1 << 31) - 1, "d3ffffffff7fffffff"),
    (1.5, "cb3ff8000000000000"),
    ("ä", "a2c3a4"),
    (b"\x01\x02", "c4020102"),
    ([1, None, True], "9301c0c3"),
    ({"a": 1}, "81a16101"),
    (list(range(16)), "dc0010" + "".join(f"{i:02x}" for i in range(16))),
    (Timestamp(1, 0), "d6ff00000001"),
)


class Format(unittest.TestCase):
    """Known bytes, written and read by the compiled code."""

    def test_the_compiled_code_is_used(self) -> None:
        assert msgpack.Packer is Packer
        assert msgpack.Unpacker is Unpacker

    def test_known_bytes(self) -> None:
        for value, known in CASES:
            packed = msgpack.packb(value)
            assert packed.hex() == known, (value, packed.hex())
            assert msgpack.unpackb(packed) == value

    def test_single_floats(self) -> None:
        packed = msgpack.packb(-0.15625, use_single_float=True)
        assert packed == b"\xca" + struct.pack(">f", -0.15625)
        assert msgpack.unpackb(packed) == -0.15625

    def test_long_things(self) -> None:
        text, many = "x" * 70000, [i * i for i in range(70000)]
        assert msgpack.packb(text)[:5].hex() == "db00011170"
        assert msgpack.packb(many)[:5].hex() == "dd00011170"
        assert msgpack.unpackb(msgpack.packb([text, many])) == [text, many]

    def test_streams(self) -> None:
        unpacker = Unpacker()
        for byte in b"".join(msgpack.packb(value) for value, _ in CASES):
            unpacker.feed(bytes([byte]))
        assert list(unpacker) == [value for value, _ in CASES]


if __name__ == "__main__":
    unittest.main()
