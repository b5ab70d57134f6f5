"""The byte-order cases of ONNX Runtime say what they mean; the runtime itself is not asked."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

PROJECT = Path(__file__).resolve().parents[2]
SUITE = PROJECT / "recipes" / "onnxruntime" / "suite"
sys.path.insert(0, str(SUITE))

import more_cases  # noqa: E402, F401 - it registers its cases
from backend_outputs import keep, load  # noqa: E402
from byte_order_cases import (  # noqa: E402
    FILE,
    PLACES,
    Storage,
    byte_order_case,
    byte_order_cases,
    sparse_places,
)
from compare_outputs import compare_folders, main  # noqa: E402
from consumer_cases import MAKERS  # noqa: E402
from element_types import ELEMENT_TYPES, LARGE, SMALL, TYPES  # noqa: E402

WANTED = [
    "float16", "float", "double", "bfloat16", "bool", "string", "int4", "uint4",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *(f"float8{kind}" for kind in ("e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz")),
]  # fmt: skip
CASES = byte_order_cases()


def test_every_type_of_a_tensor_is_there():
    assert sorted(TYPES) == sorted(WANTED)
    for one in ELEMENT_TYPES:
        assert onnx.TensorProto.DataType.Value(one.name.upper()) == one.kind


def test_every_place_and_form_is_there():
    found = {(place, form) for _, place, form in CASES.values()}
    assert found == {(place, form) for place, (_, forms) in PLACES.items() for form in forms}


@pytest.mark.parametrize("name", CASES)
def test_a_model_is_one_by_the_onnx_package(name, tmp_path):
    """The writer's own bytes, read by onnx: the checker takes them.

    It refuses short indices of sparse tensors, which ONNX Runtime reads all the same.
    """
    case = byte_order_case(*CASES[name])
    for file, data in case.files.items():
        (tmp_path / file).write_bytes(data)
    path = tmp_path / "model.onnx"
    path.write_bytes(case.model)
    if re.search(r"sparse-int(8|16|32)-", name):
        with pytest.raises(onnx.checker.ValidationError, match="INT64"):
            onnx.checker.check_model(str(path))
    else:
        onnx.checker.check_model(str(path))


@pytest.mark.parametrize("name", MAKERS)
def test_a_user_of_numbers_is_a_model_too(name):
    """The checker knows ONNX's operators; those of the runtime alone it passes over."""
    onnx.checker.check_model(onnx.load_from_string(MAKERS[name]().model))


@pytest.mark.parametrize("form", ["raw", "typed", "external"])
@pytest.mark.parametrize("kind", ELEMENT_TYPES, ids=list(TYPES))
def test_a_tensor_means_its_numbers_to_the_onnx_package(kind, form, tmp_path):
    if kind.is_text and form != "typed":
        pytest.skip("texts have a field of their own")
    storage = Storage(kind, form)
    for count in (SMALL, LARGE):
        numbers = kind.numbers(count)
        tensor = onnx.TensorProto.FromString(storage.of(numbers).encode("w"))
        (tmp_path / FILE).write_bytes(bytes(storage.data))
        read = numpy_helper.to_array(tensor, base_dir=str(tmp_path))
        if kind.is_text:
            assert [text.decode() if isinstance(text, bytes) else text for text in read] == numbers
        else:
            assert read.astype("f8").tolist() == np.array(numbers, dtype="f8").tolist()


@pytest.mark.parametrize("name", [n for n, kind in TYPES.items() if kind.pattern[-1] in "248"])
def test_numbers_are_others_when_they_are_misread(name):
    kind = TYPES[name]
    for count in (1, SMALL, LARGE):
        swapped = kind.patterns(kind.numbers(count)).byteswap()
        assert (swapped != kind.patterns(kind.numbers(count))).any()


def test_raw_data_is_little_endian():
    assert TYPES["int32"].raw([1]) == b"\x01\0\0\0"
    assert TYPES["float"].raw([1.0]) == b"\0\0\x80\x3f"
    assert TYPES["bfloat16"].raw([-2.5]) == b"\x20\xc0"
    assert TYPES["int4"].raw([1, -2, 7]) == b"\xe1\x07"


def test_sparse_numbers_are_within_reach_of_eight_bits():
    assert max(sparse_places(LARGE)) < 128
    assert len(sparse_places(SMALL)) > 1


def test_external_numbers_do_not_begin_at_the_files_start():
    case = byte_order_case(TYPES["float"], "initializer", "external")
    model = onnx.load_from_string(case.model)
    offsets = [
        int({entry.key: entry.value for entry in tensor.external_data}["offset"])
        for tensor in model.graph.initializer
    ]
    assert offsets[0] % 4 == 3
    assert offsets[1] % 4096 == 0 < offsets[1]


def test_no_architecture_is_named():
    """Neither in the suite nor in the recipe's test: what differs is the byte order alone."""
    for path in [*SUITE.glob("*.py"), SUITE.parent / "test_onnxruntime.py"]:
        assert not re.search(r"s390x|x86|amd64|platform\.machine", path.read_text()), path


def outputs_of(folder: Path, name: str, given: list[float], wanted: list[float]) -> None:
    keep(folder, name, [np.array(given, dtype="f4")], [np.array(wanted, dtype="f4")])


def test_kept_outputs_come_back(tmp_path):
    given = [np.array([1.5, -2], dtype=">f4"), [np.array([7], dtype="i8"), np.array(["ö", ""])]]
    keep(tmp_path, "a", given, [np.array(["x"], dtype=object)])
    found = load(tmp_path / "a.npz")
    assert found["given_0"].tolist() == [1.5, -2]
    assert found["given_1_0"].tolist() == [7]
    assert found["given_1_1"].tolist() == ["ö", ""]
    assert found["wanted_0"].tolist() == ["x"]
    assert all(array.dtype.isnative for array in found.values())


def test_the_test_data_decides_who_is_wrong(tmp_path, capsys):
    target, reference = tmp_path / "target", tmp_path / "reference"
    for name, here, there in (
        ("equal", 2.0, 2.0), ("rounding", 2.0, 2.0000002), ("reference", 2.0, 3.0),
        ("target", 3.0, 2.0), ("both", 3.0, 4.0), ("test_bernoulli", 0.0, 1.0),
    ):  # fmt: skip
        outputs_of(target, name, [1.0, here], [1.0, 2.0])
        outputs_of(reference, name, [1.0, there], [1.0, 2.0])
    outputs_of(target, "absent", [1.0], [1.0])
    verdicts = {one.name: one.verdict for one in compare_folders(target, reference)}
    assert verdicts.pop("test_bernoulli") == "random"
    assert all(name == verdict for name, verdict in verdicts.items())
    rounding = next(one for one in compare_folders(target, reference) if one.name == "rounding")
    assert rounding.steps == 1
    assert main(target, reference, everything=False) == 1
    assert "7 tests" in capsys.readouterr().out


def test_a_wrong_reference_alone_is_no_failure(tmp_path):
    outputs_of(tmp_path / "t", "saturated", [2.0], [2.0])
    outputs_of(tmp_path / "r", "saturated", [1.0], [2.0])
    assert main(tmp_path / "t", tmp_path / "r", everything=False) == 0


def test_helper_of_onnx_and_ours_agree():
    """A tensor by onnx's helper has the bytes of ours, on a machine whose order is the file's."""
    ours = onnx.TensorProto.FromString(TYPES["float"].typed_tensor([1.0, 2.0]).encode("w"))
    assert ours == helper.make_tensor("w", 1, [2], [1.0, 2.0])
