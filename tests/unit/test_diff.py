"""zport diff on the host: sides, subjects, the search, and how what was found is told."""

import io
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from zport_agent.labels import count_right, is_right

from zport.cli.diff import found
from zport.diff.report import keep_record, kept_operators, print_record, wrong_phrase
from zport.diff.run import _input_index
from zport.diff.search import PROBES, Search, spread
from zport.diff.sides import choose_sides
from zport.diff.subject import find_subject, place_files
from zport.errors import DefinitionError, UsageError
from zport.matrix.accuracy import accuracy_record
from zport.targets import REFERENCE

MANIFEST = """\
name: small
version: "1"
framework: {name: onnxruntime}
inputs: [{type: vector}]
outputs: [{type: vector}]
preprocess: "def preprocess(ctx, data): pass"
postprocess: "def postprocess(ctx, data): pass"
model: {graph_path: GRAPH}
zport: {weights: trained, inputs: [one, two]}
"""


def test_sides() -> None:
    sides = choose_sides("s390x", "onnxruntime", "amd64")
    assert sides.names == {
        "reference": "onnxruntime on amd64",
        "candidate": "onnxruntime on s390x",
    }
    assert [target.name for target in sides.targets] == ["amd64", "s390x"]
    assert len(sides.agents) == 1


def test_two_agents_on_one_target() -> None:
    sides = choose_sides("s390x", "onnxruntime", "onnxruntime-debian")
    assert sides.names["reference"] == "onnxruntime-debian on s390x"
    assert ([agent.name for agent in sides.agents], len(sides.targets)) == (
        ["onnxruntime-debian", "onnxruntime"], 1,
    )  # fmt: skip


def test_stored_outputs_are_a_side_that_is_not_run() -> None:
    sides = choose_sides("s390x", "onnxruntime", "stored")
    assert sides.reference is None and sides.names["reference"] == "stored"
    assert len(sides.targets) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("s390x", "onnxruntime", "s390x"), "both sides are"),
        (("amd64", "onnxruntime", "onnxruntime"), "both sides are"),
        (("s390x", "onnxruntime", "amd46"), "did you mean amd64"),
        (("s390x", "onnxruntime", "stord"), "did you mean stored"),
        (("s390x", "onnxruntime,onnxruntime-debian", "amd64"), "one agent"),
        (("s39x", "onnxruntime", "amd64"), "did you mean s390x"),
    ],
)
def test_bad_sides(arguments: tuple[str, str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        choose_sides(*arguments)


def model_folder(folder: Path, graph: str) -> Path:
    (folder / "manifest.yml").write_text(MANIFEST.replace("GRAPH", graph))
    return folder


def test_a_bare_file(tmp_path: Path) -> None:
    path = tmp_path / "bare.onnx"
    path.write_bytes(b"x")
    subject = find_subject(str(path))
    assert (subject.name, subject.graph, subject.model, subject.local) == (
        "bare", "bare.onnx", None, tmp_path,
    )  # fmt: skip
    assert subject.bounds["float32"] == (1e-5, 1e-4)
    assert _input_index(subject, None) == 0
    with pytest.raises(UsageError, match="random inputs"):
        _input_index(subject, "one")


def test_a_folder_with_its_graph_beside_the_manifest(tmp_path: Path) -> None:
    folder = model_folder(tmp_path, "sub/graph.onnx")
    assert find_subject(str(folder)).local is None
    (folder / "graph.onnx").write_bytes(b"x")
    subject = find_subject(str(folder))
    assert subject.local == folder and subject.graph == "graph.onnx"
    assert _input_index(subject, "two") == 1
    with pytest.raises(UsageError, match="choose from one, two"):
        _input_index(subject, "three")


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("none.onnx", UsageError, "no such file"),
        ("folder/of/nothing", UsageError, "no manifest.yml"),
        ("silero", UsageError, "did you mean silero-vad"),
    ],
)
def test_bad_subjects(name: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        find_subject(name)


def test_a_graph_that_is_no_onnx(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="no ONNX file"):
        find_subject(str(model_folder(tmp_path, "graph.tflite")))


def test_files_are_laid_out(tmp_path: Path) -> None:
    source, folder = tmp_path / "source", tmp_path / "files"
    (source / "sub").mkdir(parents=True)
    (source / "a").write_text("a")
    (source / "sub" / "private").write_text("p")
    (source / "sub" / "private").chmod(0o600)
    place_files(source, ["a", "sub/private"], folder)
    assert (folder / "a").samefile(source / "a")
    # The images' user has to read it, and the user's own file stays as it is.
    assert (folder / "sub" / "private").stat().st_mode & 0o777 == 0o644
    assert (source / "sub" / "private").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["gone", "../outside", "/etc/hostname", "link"])
def test_data_outside_the_models_folder(tmp_path: Path, name: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (tmp_path / "outside").write_text("x")
    (source / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(DefinitionError, match="is not there"):
        place_files(source, [name], tmp_path / "files")


@pytest.mark.parametrize("count", [0, 1, PROBES - 1, PROBES, PROBES + 1, 5000])
def test_spread(count: int) -> None:
    numbers = spread(3, 3 + count, PROBES)
    assert numbers[0] == 3 and numbers[-1] == 3 + count
    assert numbers == sorted(set(numbers)) and len(numbers) <= PROBES


class Made:
    """Containers of two sides that differ from one node on, at some levels."""

    def __init__(
        self, wrong_from: int, levels: tuple[str, ...], fails: tuple[str, ...] = (),
        unseen: tuple[int, ...] = (), decided: bool = True, failing_at: str = "all",
    ) -> None:  # fmt: skip
        self.wrong_from, self.levels, self.fails, self.unseen = wrong_from, levels, fails, unseen
        self.decided, self.failing_at = decided, failing_at
        self.cuts: dict[str, tuple[int, int]] = {}
        self.starts = 0

    def expose(self, graph, ranges, level, stem):
        probes = []
        for number, span in enumerate(ranges):
            file = f"{stem}-{number}"
            self.cuts[file] = span
            values = [{"node": index} for index in range(span[0], span[1] + 1)]
            probes.append({"file": file, "level": level, "values": values})
        return probes

    def observe(self, probes):
        self.starts += 1
        return {side: {(one["file"], one["level"]): self._why(side, one) for one in probes}
                for side in ("reference", "candidate")}  # fmt: skip

    def _why(self, side, probe):
        last = self.cuts.get(probe["file"], (0, 10**9))
        if side in self.fails and probe["level"] == self.failing_at:
            return "it crashed" if last[1] >= self.wrong_from else None
        exposed = {value["node"] for value in probe["values"]}
        return "it cannot be exposed" if exposed & set(self.unseen) else None

    def compare(self, pairs):
        level = pairs[0]["candidate"].split(".")[-2]
        return [{"verdict": "differs" if level in self.levels else "pass", "outputs": []}]

    def locate(self, request):
        nodes = [(value["node"], probe["level"]) for probe in request["probes"]
                 for value in probe["values"]]  # fmt: skip
        wrong = [node for node, level in nodes if level in self.levels and node >= self.wrong_from]
        first = min(wrong, default=None)
        found = None
        if first is not None:
            found = {"index": first, "wrong": ["candidate"] if self.decided else [],
                     "unknown": None}  # fmt: skip
        return {"found": found, "unequal": None, "compared": len(nodes), "flagged": first}

    def forget(self, probes):
        pass


def search(made: Made, nodes: int = 1000, passes: int = 10) -> dict:
    step = nodes // passes
    spans = [(step * number, step * (number + 1) - 1) for number in range(passes)]
    operators = [{"index": index, "node": f"n{index}"} for index in range(nodes)]
    return Search(made, "g.onnx", spans, operators, {}).run()


EVERY = ("disabled", "basic", "extended", "all")


def test_sides_that_agree_are_not_looked_into() -> None:
    made = Made(0, ())
    result = search(made)
    assert (result["verdict"], result["operator"], made.starts) == ("pass", None, 1)


@pytest.mark.parametrize("first", [0, 99, 100, 457, 999])
def test_the_first_operator_is_found_pass_by_pass(first: int) -> None:
    made = Made(first, EVERY)
    result = search(made)
    assert (result["verdict"], result["level"]) == ("differs", "disabled")
    assert result["operator"]["index"] == first
    assert made.starts == first // 100 + 1


def test_a_pass_that_does_not_run_is_halved_until_one_operator_is_left_out() -> None:
    result = search(Made(457, EVERY, unseen=(210,)))
    assert result["operator"]["index"] == 457
    assert [one["index"] for one in result["unseen"]] == [210]


def test_a_difference_that_grows_is_followed_to_the_end() -> None:
    made = Made(457, EVERY, decided=False)
    result = search(made)
    assert result["operator"]["index"] == 457 and result["operator"]["wrong"] == []
    assert result["compared"] == 1000


@pytest.mark.parametrize("first", [0, 1, 15, 16, 500, 998, 999])
def test_what_only_optimizations_do_is_found_by_cuts(first: int) -> None:
    made = Made(first, ("extended", "all"))
    result = search(made)
    assert result["only_optimized"] is True and result["level"] == "extended"
    assert result["operator"]["index"] == first
    assert {level: one["verdict"] for level, one in result["levels"].items()} == {
        "disabled": "pass", "basic": "pass", "extended": "differs", "all": "differs",
    }  # fmt: skip


def test_what_vanishes_when_it_is_looked_at() -> None:
    result = search(Made(10**6, ("all",)))
    assert (result["verdict"], result["operator"]) == ("differs", None)
    assert result["only_optimized"] is True


@pytest.mark.parametrize("side", ["reference", "candidate"])
def test_a_side_that_fails(side: str) -> None:
    result = search(Made(321, (), fails=(side,)))
    assert (result["verdict"], result["failed"]) == ("fails", {side: "it crashed"})
    assert result["operator"]["index"] == 321 and result["operator"]["wrong"] == [side]


def test_a_failure_without_optimizations_only() -> None:
    result = search(Made(321, ("all",), fails=("candidate",), failing_at="disabled"))
    assert result["levels"]["disabled"]["verdict"] == "fails"
    assert result["verdict"] == "differs"


def record(**more: object) -> dict:
    names = {"reference": f"onnxruntime on {REFERENCE.name}", "candidate": "onnxruntime on s390x"}
    return {
        "schema": 1, "model": "m", "sides": names, "input": "a file", "nodes": 3,
        "preprocessing": None, "failed": {}, "verdict": "differs", "levels": {},
        "level": "disabled", "only_optimized": False, "operator": None, "unequal": None,
        "compared": 3, "unseen": [], **more,
    }  # fmt: skip


def operator(**more: object) -> dict:
    return {
        "index": 1, "node": "conv1", "op_type": "Conv", "domain": "ai.onnx", "opset": 13,
        "scope": None, "kind": "output", "inputs": [], "outputs": [], "exact": None,
        "hint": None, "wrong": ["candidate"], "unknown": None, "judge": "exact arithmetic", **more,
    }  # fmt: skip


def text_of(one: dict) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    print_record(console, one)
    return console.export_text()


def test_the_record_is_kept(workspace) -> None:
    path = keep_record(workspace, record(operator=operator()))
    assert path.name == f"m-onnxruntime-s390x-against-onnxruntime-{REFERENCE.name}-a-file.json"
    assert json.loads(path.read_text())["operator"]["op_type"] == "Conv"


def test_the_page_gets_the_latest_of_an_image(workspace) -> None:
    weights = {"name": "w", "observed": True, "equal": False, "within": False}
    images = {"candidate": "image:any-1"}
    kept = record(operator=operator(hint="swapped", inputs=[weights]), images=images)
    assert not kept_operators(workspace)
    keep_record(workspace, kept)
    assert kept_operators(workspace) == {("m", "1"): {
        "operator": "Conv", "node": "conv1", "hint": "swapped", "inputs": ["w: differs"],
        "wrong": "onnxruntime on s390x (judged by exact arithmetic)",
    }}  # fmt: skip
    keep_record(workspace, kept | {"operator": None})
    assert kept_operators(workspace) == {("m", "1"): None}
    os.utime(keep_record(workspace, kept | {"input": "older"}), (0, 0))
    assert kept_operators(workspace) == {("m", "1"): None}


def test_the_text() -> None:
    text = text_of(record(operator=operator()))
    assert "first operator: conv1" in text and "2 of 3" in text
    assert "no misplaced bytes explain it" in text
    assert "wrong: onnxruntime on s390x (judged by exact arithmetic)" in text
    given = {"name": "x", "kind": "value", "observed": True, "equal": None,
             "candidate": {"dtype": "float32", "shape": [2], "values": ["1", "2"]}}  # fmt: skip
    unseen = {"name": "z", "kind": "value", "observed": False}
    text = text_of(record(operator=operator(inputs=[given, unseen])))
    assert "float32[2]" in text and "as it was given" in text and "not observed" in text
    assert "the outputs agree" in text_of(record(verdict="pass"))
    assert "merged" in text_of(record(only_optimized=True))
    assert "the difference grows" in text_of(record())


def test_who_is_wrong() -> None:
    sides = record()["sides"]
    assert "not known: it is random" in wrong_phrase(operator(unknown="it is random"), sides)
    assert wrong_phrase(operator(wrong=[]), sides).startswith("neither")
    both = wrong_phrase(operator(wrong=["reference", "candidate"]), sides)
    assert "amd64 and onnxruntime on s390x" in both
    assert "conv1 (Conv)" in str(found(record(operator=operator()), "path"))


@pytest.mark.parametrize(
    ("features", "label", "right"),
    [
        ([{"label": "cat", "score": 0.5}], "cat", True),
        ([{"label": "dog"}, {"label": "cat"}], "cat", False),
        ([3, 1], 3, True),
        ([], "cat", False),
        ([{"label": "cat", "confident": True}], {"label": "cat", "confident": True}, True),
        ([{"label": "cat"}], {"label": "cat", "confident": True}, False),
        (["cat"], {"label": "cat"}, False),
    ],
)
def test_right_answers(features: list, label: object, right: bool) -> None:
    assert is_right(features, label) is right


def run_of(folder: Path, labels: list | None, features: list) -> SimpleNamespace:
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps({"features": features}))
    extension = SimpleNamespace(labels=labels)
    manifest = SimpleNamespace(extension=lambda: extension)
    return SimpleNamespace(
        folder=folder, cell=SimpleNamespace(model=SimpleNamespace(manifest=manifest))
    )


def test_accuracy(tmp_path: Path) -> None:
    good = [[{"label": "a"}], [{"label": "b"}]]
    bad = [[{"label": "a"}], [{"label": "a"}]]
    assert count_right(good, ["a", "b"]) == 2
    runs = [run_of(tmp_path / name, ["a", "b"], one) for name, one in (("g", good), ("b", bad))]
    one = accuracy_record(runs[1], runs[0])
    assert one and (one["verdict"], one["right"], one["reference_right"]) == ("differs", 1, 2)
    assert one["reasons"] == ["1 of 2 answers are right, 2 of the reference's"]
    one = accuracy_record(runs[0], None)
    assert one and (one["verdict"], one["right"], one["reference_right"]) == ("pass", 2, None)
    assert accuracy_record(run_of(tmp_path / "n", None, good), None) is None
