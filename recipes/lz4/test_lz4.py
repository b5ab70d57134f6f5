"""LZ4 on its target: known bytes, and blocks that another machine wrote."""

import struct
import unittest

import lz4.block
import lz4.frame

TEXT = bytes(range(256)) * 300 + b"the end"
# Written by hand from the format: one literal, then the same again 19 times; then five literals.
BLOCK = bytes.fromhex("1f61010000506161616161")


class Compression(unittest.TestCase):
    """Sizes in LZ4 are little-endian on every machine."""

    def test_a_block_made_by_hand(self) -> None:
        assert lz4.block.decompress(BLOCK, uncompressed_size=25) == b"a" * 25

    def test_stored_size_is_little_endian(self) -> None:
        packed = lz4.block.compress(TEXT)
        assert packed[:4] == struct.pack("<I", len(TEXT))
        assert len(packed) < len(TEXT) / 50
        assert lz4.block.decompress(packed) == TEXT

    def test_every_mode(self) -> None:
        for mode in ("default", "fast", "high_compression"):
            assert lz4.block.decompress(lz4.block.compress(TEXT, mode=mode)) == TEXT

    def test_a_dictionary(self) -> None:
        packed = lz4.block.compress(TEXT[:300], dict=TEXT[:256])
        assert len(packed) < 40
        assert lz4.block.decompress(packed, dict=TEXT[:256]) == TEXT[:300]

    def test_frames(self) -> None:
        packed = lz4.frame.compress(TEXT, content_checksum=True, store_size=True)
        assert packed[:4].hex() == "04224d18"
        assert struct.unpack("<Q", packed[6:14]) == (len(TEXT),)
        assert lz4.frame.decompress(packed) == TEXT

    def test_checksum_of_the_content(self) -> None:
        """xxHash of nothing is known; it lies at the frame's end."""
        packed = lz4.frame.compress(b"", content_checksum=True)
        assert packed[-4:] == struct.pack("<I", 0x02CC5D05)


if __name__ == "__main__":
    unittest.main()
