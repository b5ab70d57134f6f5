"""SentencePiece on its target: a model of pieces and scores that are known, and one it trains."""

import io
import unittest

import sentencepiece as spm

LINES = [f"the {a} {b} runs" for a in ("red", "old", "big") for b in ("dog", "fox", "cat")] * 20


def trained(**options: object) -> spm.SentencePieceProcessor:
    """A model of those lines; its normaliser is the built-in table of characters."""
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES),
        model_writer=model,
        vocab_size=40,
        hard_vocab_limit=False,
        minloglevel=2,
        **options,
    )
    return spm.SentencePieceProcessor(model_proto=model.getvalue())


class Tokens(unittest.TestCase):
    """Training is deterministic, so every machine finds the same pieces."""

    def test_round_trip(self) -> None:
        for kind in ("unigram", "bpe", "char"):
            model = trained(model_type=kind)
            for line in LINES[:9]:
                assert model.decode(model.encode(line)) == line, kind

    def test_merges(self) -> None:
        model = trained(model_type="bpe")
        assert model.encode("the runs", out_type=str) == ["▁the", "▁runs"]

    def test_normaliser(self) -> None:
        """NFKC's table is a tree of 32-bit numbers in little-endian order."""
        model = trained(model_type="bpe", normalization_rule_name="nfkc")
        assert model.normalize("\uff54\uff48\uff45 \u2460 \ufb01") == "▁the▁1▁fi"
        assert model.encode("\uff54\uff48\uff45") == model.encode("the")

    def test_saved_and_read(self) -> None:
        model = trained(model_type="unigram")
        again = spm.SentencePieceProcessor(model_proto=model.serialized_model_proto())
        for number in range(model.get_piece_size()):
            assert model.id_to_piece(number) == again.id_to_piece(number)
            assert model.get_score(number) == again.get_score(number)
        assert model.normalize("\uff54") == again.normalize("\uff54") == "▁t"


if __name__ == "__main__":
    unittest.main()
