"""PyTorch's files in the other byte order: mended, or refused with the reason. No PyTorch here."""

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest
from zport_agent.errors import ModelFileError
from zport_agent.pytorch.archive import mended, readable
from zport_agent.pytorch.legacy import MAGIC, mended_legacy
from zport_agent.pytorch.pickles import read_storages, with_short_memo

NUMBERS = np.array([1.5, -2.25, 77.0], "<f4").tobytes()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def reference(kind: str, key: str, size: int, view: bytes = b"") -> bytes:
    """The opcodes that refer to a storage, as PyTorch writes them."""
    head = b"(" + text("storage") + f"ctorch\n{kind}Storage\n".encode()
    return head + text(key) + text("cpu") + b"K" + bytes([size]) + view + b"tq\x01Q"


def pickled(*references: bytes) -> bytes:
    """A tuple of them."""
    return b"\x80\x02(" + b"".join(references) + b"t."


def archive(order: str | None = "little", **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(f"net/{name.replace('__', '/').replace('_pkl', '.pkl')}", content)
        if order:
            file.writestr("net/byteorder", order)
    return buffer.getvalue()


def member(data: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return file.read(f"net/{name}")


@pytest.mark.parametrize(
    ("kind", "number"),
    [("Float", 4), ("Double", 8), ("Half", 2), ("BFloat16", 2), ("Bool", 1), ("QInt8", 1),
     ("QInt32", 4), ("ComplexFloat", 4), ("ComplexDouble", 8), ("Long", 8), ("UInt16", 2)],
)  # fmt: skip
def test_numbers_are_swapped_by_their_type_in_both_directions(kind, number):
    element = number * (2 if kind.startswith("Complex") else 1)
    data = bytes(range(element * 3))
    little = archive(data_pkl=pickled(reference(kind, "0", 3)), data__0=data)
    big = mended(little, "big", "net.pt")
    swapped = np.frombuffer(data, f"u{number}").byteswap().tobytes()
    assert member(big, "data/0") == swapped
    assert member(big, "byteorder") == b"big"
    assert member(mended(big, "little", "net.pt"), "data/0") == data


def test_an_archive_in_the_machines_order_is_the_file_itself(tmp_path):
    path = tmp_path / "net.pt"
    path.write_bytes(archive(data_pkl=pickled(reference("Float", "0", 3)), data__0=NUMBERS))
    assert readable(path, "little") == ("state", path)
    kind, file = readable(path, "big")
    assert kind == "state"
    assert isinstance(file, io.BytesIO)


def test_an_archive_without_the_record_is_little_endian():
    old = archive(None, data_pkl=pickled(reference("Float", "0", 3)), data__0=NUMBERS)
    assert mended(old, "little", "net.pt") is old
    assert member(mended(old, "big", "net.pt"), "byteorder") == b"big"


def test_constants_in_torchscript_are_swapped_too():
    script = archive(
        data_pkl=pickled(reference("Float", "0", 3)), data__0=NUMBERS,
        constants_pkl=pickled(reference("Short", "0", 1)), constants__0=b"\x01\x02",
    )  # fmt: skip
    assert member(mended(script, "big", "net.pt"), "constants/0") == b"\x02\x01"


def test_a_storage_that_several_tensors_share_is_swapped_once():
    shared = archive(
        data_pkl=pickled(reference("Float", "0", 3), reference("Float", "0", 3)), data__0=NUMBERS
    )
    expected = np.frombuffer(NUMBERS, "u4").byteswap().tobytes()
    assert member(mended(shared, "big", "net.pt"), "data/0") == expected


def test_the_type_of_an_untyped_storage_is_that_of_its_tensor():
    # storage, offset, size, stride, requires_grad, hooks, dtype
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v3\n(" + reference("Untyped", "0", 4)
        + b"K\x00))\x89N" + b"ctorch\nuint16\n" + b"tR"
    )  # fmt: skip
    file = archive(data_pkl=pickled(tensor), data__0=b"\x01\x02\x03\x04")
    assert member(mended(file, "big", "net.pt"), "data/0") == b"\x02\x01\x04\x03"


@pytest.mark.parametrize(
    ("members", "told"),
    [
        pytest.param({"data_pkl": b"no pickle"}, "not a pickle", id="no pickle"),
        pytest.param({"data_pkl": pickled(reference("Float", "0", 3))}, "no record", id="absent"),
        pytest.param(
            {"data_pkl": pickled(reference("Float", "0", 3)), "data__0": b"12"},
            "expected 3 elements of 4", id="short",
        ),
        pytest.param(
            {"data_pkl": pickled(reference("Strange", "0", 3)), "data__0": NUMBERS},
            "Strange", id="unknown type",
        ),
        pytest.param(
            {"data_pkl": pickled(reference("Untyped", "0", 12)), "data__0": NUMBERS},
            "no type at all", id="no type",
        ),
        pytest.param(
            {"data_pkl": pickled(reference("Float", "0", 3), reference("Short", "0", 6)),
             "data__0": NUMBERS}, "types Float and Short", id="two types",
        ),
        pytest.param(
            {"data_pkl": pickled(), "data__7": NUMBERS}, "what type the numbers", id="unexplained"
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_mended_is_refused_with_the_reason(members, told):
    with pytest.raises(ModelFileError, match=told):
        mended(archive(**members), "big", "net.pt")


def test_an_unknown_order_is_refused():
    with pytest.raises(ModelFileError, match="expected little or big"):
        mended(archive("middle", data_pkl=pickled()), "big", "net.pt")


def test_nothing_of_a_pickle_is_run(tmp_path):
    left = tmp_path / "left"

    class Evil:
        def __reduce__(self):
            return (left.write_text, ("ran",))

    assert read_storages(io.BytesIO(pickle.dumps(Evil(), 2)), "net.pt") == {}
    assert not left.exists()


def test_long_numbers_in_a_pickle_become_short_ones():
    """TorchScript writes them in the machine's order: 256 is 65536 to the other one."""
    data = b"\x80\x02(" + text("a") + b"r\x00\x01\x00\x00" + text("b") + b"q\x07"
    data += b"j\x00\x01\x00\x00" + b"t."
    short = with_short_memo(data, "net.pt")
    assert pickle.loads(short) == pickle.loads(data) == ("a", "b", "a")
    assert b"r\x00\x01" not in short


def test_long_numbers_that_remain_mean_the_same_in_every_order():
    puts = b"".join(text(str(i)) + b"r" + struct.pack("<I", i) for i in range(400))
    gets = b"".join(b"j" + struct.pack("<I", i) for i in range(400))
    short = with_short_memo(b"\x80\x02(" + puts + gets + b"t.", "net.pt")
    assert pickle.loads(short) == tuple(map(str, [*range(400), *range(400)]))
    assert b"j\x00\x01\x01\x00" in short


def legacy(kind: str, size: int, numbers: bytes, *, little: bool, **more: bool) -> bytes:
    system = {"protocol_version": 1001, "little_endian": little, "type_sizes": {}, **more}
    parts = [pickle.dumps(part, 2) for part in (MAGIC, 1001, system)]
    keys = pickle.dumps(["0"], 2)
    body = pickled(reference(kind, "0", size, b"N"))
    return b"".join([*parts, body, keys, struct.pack("<q", size), numbers])


COMPLEX = np.array([1 + 2j, 3 - 4j], "<c8").tobytes()
EXCHANGED = np.array([2 + 1j, -4 + 3j], "<c8").tobytes()


@pytest.mark.parametrize(
    ("little", "machine", "numbers"),
    [(True, "big", COMPLEX), (False, "little", EXCHANGED)],
)
def test_complex_numbers_of_the_legacy_format_are_put_right(little, machine, numbers):
    mended_file = mended_legacy(legacy("ComplexFloat", 2, numbers, little=little), machine, "old")
    assert mended_file is not None
    with zipfile.ZipFile(io.BytesIO(mended_file)) as file:
        assert file.read("archive/data/0") == COMPLEX
        assert file.read("archive/byteorder") == b"little"
        [storage] = read_storages(io.BytesIO(file.read("archive/data.pkl")), "x").values()
    assert (storage.kind, storage.size) == ("ComplexFloat", 2)


@pytest.mark.parametrize("machine", ["little", "big"])
@pytest.mark.parametrize("little", [True, False])
def test_what_pytorch_reads_right_is_left_alone(little, machine):
    assert mended_legacy(legacy("Float", 3, NUMBERS, little=little), machine, "old") is None


def test_complex_numbers_that_one_machine_writes_and_reads_are_left_alone():
    assert mended_legacy(legacy("ComplexFloat", 2, COMPLEX, little=True), "little", "old") is None
    assert mended_legacy(legacy("ComplexFloat", 2, EXCHANGED, little=False), "big", "old") is None


@pytest.mark.parametrize("kind", ["ComplexFloat", "ComplexDouble"])
@pytest.mark.parametrize("little", [True, False])
def test_what_the_recipes_pytorch_writes_is_of_one_order(kind, little):
    numbers = np.array([1 + 2j, 3 - 4j], "<c8" if kind == "ComplexFloat" else "<c16").tobytes()
    written = legacy(kind, 2, numbers, little=little, complex_by_parts=True)
    assert mended_legacy(written, "little", "new") is None
    elsewhere = mended_legacy(written, "big", "new")
    assert elsewhere is not None
    with zipfile.ZipFile(io.BytesIO(elsewhere)) as file:
        assert file.read("archive/data/0") == numbers


@pytest.mark.parametrize("machine", ["little", "big"])
def test_lost_numbers_are_refused(machine):
    with pytest.raises(ModelFileError, match="numbers are lost"):
        mended_legacy(legacy("ComplexDouble", 1, bytes(16), little=False), machine, "old")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(b"", "not a file of torch.save", id="empty"),
        pytest.param(b"no model" * 9, "not a file of torch.save", id="other"),
        pytest.param(legacy("ComplexFloat", 2, b"12", little=True), "cut short", id="cut"),
        pytest.param(
            legacy("ComplexFloat", 2, COMPLEX, little=True)[:-4], "cut short", id="cut later"
        ),
    ],
)
def test_a_file_that_is_no_model_is_refused(tmp_path, content, told):
    path = tmp_path / "net.pt"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=told) as caught:
        readable(path, "big")
    assert str(path) in str(caught.value)


def test_a_zip_archive_of_something_else_is_refused(tmp_path):
    path = tmp_path / "net.pt"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/readme", "text")
    with pytest.raises(ModelFileError, match="not one of PyTorch's"):
        readable(path)


def test_the_weights_within_an_exported_program_are_mended(tmp_path):
    path = tmp_path / "net.pt2"
    weights = archive(data_pkl=pickled(reference("Float", "0", 3)), data__0=NUMBERS)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("serialized_exported_program.json", "{}")
        file.writestr("serialized_state_dict.pt", weights)
    assert readable(path, "little") == ("export", path)
    kind, program = readable(path, "big")
    assert kind == "export"
    assert isinstance(program, io.BytesIO)
    with zipfile.ZipFile(program) as file:
        assert member(file.read("serialized_state_dict.pt"), "byteorder") == b"big"
