"""tiktoken on its target: tokens of a small vocabulary that is made here, without a download."""

import pickle
import unittest

import tiktoken

PATTERN = r"'s| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
MERGES = (b"th", b"the", b" t", b" th", b" the", b"er", b"in", b"\xc3\xb6")
RANKS = {bytes([i]): i for i in range(256)} | {merge: 256 + i for i, merge in enumerate(MERGES)}
END = len(RANKS)


def encoding() -> tiktoken.Encoding:
    """The single bytes and eight merges, of which " the" is 260."""
    return tiktoken.Encoding(
        "small", pat_str=PATTERN, mergeable_ranks=RANKS, special_tokens={"<end>": END}
    )


class Tokens(unittest.TestCase):
    """Merges are taken in the order of their ranks."""

    def test_known_tokens(self) -> None:
        cases = (
            ("the the", [257, 260]),
            ("in there", [262, 260, ord("r"), ord("e")]),
            ("ö", [263]),
            ("\x00\x7f", [0, 127]),
            ("12", [ord("1"), ord("2")]),
        )
        for text, known in cases:
            assert encoding().encode(text) == known, (text, encoding().encode(text))
            assert encoding().decode(known) == text

    def test_every_script(self) -> None:
        text = "größer λ 🜁 \n\n  the end's  2026"
        tokens = encoding().encode(text)
        assert encoding().decode(tokens) == text
        assert encoding().encode_ordinary_batch([text] * 20) == [tokens] * 20

    def test_special_tokens(self) -> None:
        assert encoding().encode("the<end>", allowed_special="all") == [257, END]
        assert encoding().n_vocab == END + 1
        with self.assertRaises(ValueError):
            encoding().encode("<end>")

    def test_long_pieces(self) -> None:
        """Long ones go another way through the code."""
        tokens = encoding().encode("the" * 2000)
        assert tokens == [257] * 2000

    def test_tokens_as_bytes(self) -> None:
        assert encoding().decode_tokens_bytes([257, 260]) == [b"the", b" the"]

    def test_pickle(self) -> None:
        tiktoken.registry.ENCODINGS["small"] = encoding()
        again = pickle.loads(pickle.dumps(encoding()))  # noqa: S301
        assert again.encode("the the") == [257, 260]


if __name__ == "__main__":
    unittest.main()
