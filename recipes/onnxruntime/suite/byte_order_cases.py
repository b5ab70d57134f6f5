"""Models with one tensor of every type in every place and form that ONNX has for stored numbers.

Each model shows its tensor, in a short and a long form (:data:`element_types.SMALL` and ``LARGE``),
as outputs; what those have to be is known from the numbers that the tensor was written from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from element_types import (
    BOOL,
    ELEMENT_TYPES,
    FLOAT,
    INT64,
    LARGE,
    SMALL,
    TYPES,
    ElementType,
    Numbers,
)
from onnx_writer import Graph, Sparse, Tensor, external_content, function, node, value

FILE = "numbers.bin"
OWN = "zport.test"
"""The domain of functions of the model itself."""


@dataclass(frozen=True)
class Case:
    """A model, the files beside it, its inputs, and what it has to say.

    ``tolerance`` is relative and absolute; 0 asks for every bit. ``portable`` is whether what the
    runtime makes of it at the highest optimization level is for any machine. ``smallest`` is from
    how many bytes on a tensor may lie outside of the model: not where a shape depends on it.
    """

    name: str
    model: bytes
    inputs: Mapping[str, np.ndarray]
    expected: Sequence[np.ndarray]
    files: Mapping[str, bytes] = field(default_factory=dict)
    tolerance: float = 0.0
    portable: bool = True
    smallest: int = 0


@dataclass
class Storage:
    """Makes the messages of one tensor after the other, and collects what lies outside of them.

    ``form`` says how a tensor is written. Offsets in the file are no multiples of a page or of any
    element's size, except of the second tensor, whose data can be mapped as it is.
    """

    kind: ElementType
    form: str
    data: bytearray = field(default_factory=lambda: bytearray(b"\x5a" * 3))

    def of(self, numbers: Numbers) -> Tensor | Sparse:
        """The tensor of those numbers."""
        if self.form == "raw":
            return self.kind.raw_tensor(numbers)
        if self.form == "typed":
            return self.kind.typed_tensor(numbers)
        if self.form == "external":
            return self._outside(numbers)
        return self._sparse(numbers)

    @property
    def files(self) -> dict[str, bytes]:
        return {FILE: bytes(self.data)} if len(self.data) > 3 else {}

    def _outside(self, numbers: Numbers) -> Tensor:
        if len(self.data) > 3:
            self.data.extend(b"\x5a" * (-len(self.data) % 4096))
        offset, raw = len(self.data), self.kind.raw(numbers)
        self.data.extend(raw)
        content = external_content(FILE, offset, len(raw))
        return Tensor(self.kind.kind, (len(numbers),), content)

    def _sparse(self, numbers: Numbers) -> Sparse:
        """Every third number of the tensor; see :meth:`dense`."""
        _, index_type, index_form = self.form.split("-")
        places = sparse_places(len(numbers))
        if index_form == "external":
            stored = self._outside([numbers[i] for i in places])
            return Sparse(stored, TYPES[index_type].raw_tensor(places), (len(numbers),))
        make = self.kind.typed_tensor if index_form == "typed" else self.kind.raw_tensor
        values = make([numbers[i] for i in places])
        if index_form == "pairs":
            # Two-dimensional indices of a tensor of one row.
            listed = [number for place in places for number in (0, place)]
            indices = TYPES[index_type].raw_tensor(listed, (len(places), 2))
            return Sparse(values, indices, (1, len(numbers)))
        of = TYPES[index_type]
        indices = of.typed_tensor(places) if index_form == "typed" else of.raw_tensor(places)
        return Sparse(values, indices, (len(numbers),))

    def dense(self, numbers: Numbers) -> np.ndarray:
        """The numbers that the tensor means: in a sparse one, most are zero."""
        whole = self.kind.expected(numbers)
        if not self.form.startswith("sparse"):
            return whole
        kept = np.zeros_like(whole)
        for place in sparse_places(len(numbers)):
            kept[place] = whole[place]
        return kept


def sparse_places(count: int) -> list[int]:
    """Where a sparse tensor has numbers: below 128, so that 8-bit indices reach them."""
    return list(range(1, min(count, 128), 3))


@dataclass(frozen=True)
class Shown:
    """The nodes that make a tensor an output, and the output's type."""

    kind: ElementType

    @property
    def output_kind(self) -> int:
        return self.kind.kind if self.kind.shown else FLOAT

    def nodes(self, name: str, output: str) -> list[bytes]:
        if self.kind.shown:
            return [node("Identity", [name], [output])]
        if self.kind.is_packed:
            one = TYPES["float"].typed_tensor([1.0], ())
            return [
                node("Constant", [], [f"{output}_scale"], value=one),
                node("DequantizeLinear", [name, f"{output}_scale"], [output]),
            ]
        return [node("Cast", [name], [output], to=FLOAT)]

    def output(self, name: str, count: int | None = None) -> bytes:
        return value(name, self.output_kind, [] if count is None else [count])


KINDS = {one.kind: one for one in ELEMENT_TYPES}
NAMES = {"small": SMALL, "large": LARGE}


def initializer(kind: ElementType, storage: Storage) -> tuple[Graph, dict[str, np.ndarray]]:
    """Tensors of the graph, shown as they are and joined to an input, which no optimizer folds."""
    graph = _initializers(kind, storage)
    inputs: dict[str, np.ndarray] = {}
    if kind.shown and storage.form != "sparse-int64-pairs":
        inputs["x"] = kind.expected(kind.numbers(3))
        joined = tuple(node("Concat", ["x", name], [f"{name}_joined"], axis=0) for name in NAMES)
        outputs = tuple(value(f"{name}_joined", kind.kind, [n + 3]) for name, n in NAMES.items())
        graph = graph.plus(Graph(joined, (value("x", kind.kind, [3]),), outputs))
    return graph, inputs


def overridable(kind: ElementType, storage: Storage) -> tuple[Graph, dict[str, np.ndarray]]:
    """Tensors of the graph that are inputs too, and so no constants."""
    declared = tuple(value(name, kind.kind, [count]) for name, count in NAMES.items())
    return _initializers(kind, storage).plus(Graph(inputs=declared)), {}


def _initializers(kind: ElementType, storage: Storage) -> Graph:
    shown, nodes = Shown(kind), []
    tensors = {name: storage.of(kind.numbers(count)) for name, count in NAMES.items()}
    for name in NAMES:
        nodes += shown.nodes(name, f"{name}_shown")
    return Graph(
        nodes=tuple(nodes),
        outputs=tuple(_outputs(shown, storage)),
        initializers=tuple(t.encode(n) for n, t in tensors.items() if isinstance(t, Tensor)),
        sparse=tuple(t.encode(n) for n, t in tensors.items() if isinstance(t, Sparse)),
    )


def _outputs(shown: Shown, storage: Storage) -> Iterator[bytes]:
    for name, count in NAMES.items():
        two = storage.form == "sparse-int64-pairs"
        yield value(f"{name}_shown", shown.output_kind, [1, count] if two else [count])


def constant(kind: ElementType, storage: Storage) -> tuple[Graph, dict[str, np.ndarray]]:
    """Constant nodes."""
    shown = Shown(kind)
    return Graph(tuple(_constants(kind, storage)), outputs=tuple(_outputs(shown, storage))), {}


def _constants(kind: ElementType, storage: Storage) -> Iterator[bytes]:
    for name, count in NAMES.items():
        tensor = storage.of(kind.numbers(count))
        if isinstance(tensor, Sparse):
            yield node("Constant", [], [name], sparse_value=tensor)
        else:
            yield node("Constant", [], [name], value=tensor)
        yield from Shown(kind).nodes(name, f"{name}_shown")


def listed(kind: ElementType, storage: Storage) -> tuple[Graph, dict[str, np.ndarray]]:
    """Constant nodes whose numbers are no tensor, but an attribute's own: one, and a list."""
    del storage
    one, many = {
        "float": ("value_float", "value_floats"),
        "int64": ("value_int", "value_ints"),
        "string": ("value_string", "value_strings"),
    }[kind.name]
    numbers = kind.numbers(SMALL)
    nodes = [
        node("Constant", [], ["one"], **{one: numbers[1]}),
        node("Constant", [], ["many"], **{many: numbers}),
        *Shown(kind).nodes("one", "one_shown"),
        *Shown(kind).nodes("many", "many_shown"),
    ]
    outputs = (value("one_shown", kind.kind, []), value("many_shown", kind.kind, [SMALL]))
    return Graph(tuple(nodes), outputs=outputs), {}


def branch(kind: ElementType, storage: Storage) -> tuple[Graph, dict[str, np.ndarray]]:
    """Tensors of a branch of If; the condition is an input, so that the branch stays one."""
    inner = _initializers(kind, storage)
    other = constant(kind, Storage(kind, "typed"))[0]
    either = node("If", ["yes"], ["small_if", "large_if"], then_branch=inner, else_branch=other)
    outputs = tuple(value(f"{n}_if", Shown(kind).output_kind, [c]) for n, c in NAMES.items())
    graph = Graph((either,), (value("yes", BOOL, []),), outputs)
    return graph, {"yes": np.array(True)}


def loop(kind: ElementType, storage: Storage) -> tuple[Graph, dict[str, np.ndarray]]:
    """Tensors of a loop's body; the number of rounds is an input.

    They are carried from round to round. ONNX Runtime would stack them too, but it copies texts
    byte by byte then, and ends the process on any machine.
    """
    body, shown = _initializers(kind, storage), Shown(kind)
    carried = tuple(value(f"{name}_in", shown.output_kind, None) for name in NAMES)
    body = Graph(
        nodes=(node("Identity", ["on_in"], ["on_out"]), *body.nodes),
        inputs=(value("round", INT64, []), value("on_in", BOOL, []), *carried),
        outputs=(value("on_out", BOOL, []), *body.outputs),
        initializers=body.initializers,
        sparse=body.sparse,
    )
    first = KINDS[shown.output_kind]
    nothing = first.typed_tensor(first.numbers(1))
    nodes = (
        node("Constant", [], ["nothing"], value=nothing),
        node("Loop", ["rounds", "", *["nothing"] * 2], ["small_loop", "large_loop"], body=body),
    )
    outputs = tuple(value(f"{name}_loop", shown.output_kind, ["n"]) for name in NAMES)
    return Graph(nodes, (value("rounds", INT64, []),), outputs), {"rounds": np.array(1)}


def function_body(kind: ElementType, storage: Storage) -> tuple[Graph, dict[str, np.ndarray]]:
    """Constant nodes of a function of the model."""
    inner = tuple(_constants(kind, storage))
    own = function(OWN, "numbers", ["small_shown", "large_shown"], inner)
    call = node("numbers", [], ["a", "b"], OWN)
    outputs = (value("a", Shown(kind).output_kind, [SMALL]),
               value("b", Shown(kind).output_kind, [LARGE]))  # fmt: skip
    return Graph((call,), outputs=outputs, functions=(own,)), {}


def attribute(kind: ElementType, storage: Storage) -> tuple[Graph, dict[str, np.ndarray]]:
    """An operator's own tensor of one number; the shape is an input, so that nothing folds it."""
    nodes, outputs = [], []
    for i, number in enumerate(kind.numbers(SMALL)):
        filler = storage.of([number])
        assert isinstance(filler, Tensor)
        nodes += [
            node("ConstantOfShape", ["shape"], [f"filled_{i}"], value=filler),
            *Shown(kind).nodes(f"filled_{i}", f"shown_{i}"),
        ]
        outputs.append(value(f"shown_{i}", Shown(kind).output_kind, ["n"]))
    graph = Graph(tuple(nodes), (value("shape", INT64, [1]),), tuple(outputs))
    return graph, {"shape": np.array([2])}


Place = Callable[[ElementType, Storage], tuple[Graph, dict[str, np.ndarray]]]
DENSE = ("raw", "typed")
SPARSE = ("sparse-int64-raw", "sparse-int64-typed")
PLACES: dict[str, tuple[Place, tuple[str, ...]]] = {
    "initializer": (initializer, (
        *DENSE, "external", *SPARSE, "sparse-int64-pairs", "sparse-int64-external",
        "sparse-int32-raw", "sparse-int32-typed", "sparse-int16-raw", "sparse-int8-raw",
    )),
    "overridable": (overridable, (*DENSE, "external")),
    "constant": (constant, (*DENSE, *SPARSE)),
    "listed": (listed, ("typed",)),
    "if": (branch, (*DENSE, "external", "sparse-int64-raw")),
    "loop": (loop, (*DENSE, "external")),
    "function": (function_body, (*DENSE, "sparse-int64-raw")),
    "attribute": (attribute, DENSE),
}  # fmt: skip


def holds(kind: ElementType, place: str, form: str) -> bool:
    """Whether ONNX has such a thing, and an operator of ONNX Runtime takes it."""
    if place == "listed":
        return kind.name in ("float", "int64", "string")
    if kind.is_text and form != "typed":
        return False
    if form.startswith("sparse") and not kind.is_sparse:
        return False
    # ConstantOfShape of these has no kernel.
    return place != "attribute" or bool(kind.shown and not kind.is_text)


def is_unreadable(kind: ElementType, place: str) -> bool:
    """Whether ONNX Runtime cannot put these numbers into a file of their own, on any machine.

    It names those of subgraphs twice, and refuses to load the model; texts it refuses to write.
    """
    return kind.is_text or place in ("if", "loop")


def expected(kind: ElementType, place: str, storage: Storage) -> list[np.ndarray]:
    """What the model has to say, in the order of its outputs."""
    if place == "listed":
        numbers = kind.expected(kind.numbers(SMALL))
        return [numbers[1:2].reshape(()), numbers]
    if place == "attribute":
        return [kind.expected([number] * 2) for number in kind.numbers(SMALL)]
    plain = [storage.dense(kind.numbers(count)) for count in NAMES.values()]
    if storage.form == "sparse-int64-pairs":
        return [one[np.newaxis] for one in plain]
    if place == "initializer" and kind.shown:
        first = kind.expected(kind.numbers(3))
        return [*plain, *(np.concatenate([first, one]) for one in plain)]
    return plain


def byte_order_case(kind: ElementType, place: str, form: str) -> Case:
    """The model of a type, a place and a form."""
    storage = Storage(kind, form)
    graph, inputs = PLACES[place][0](kind, storage)
    model = graph.model({OWN: 1} if place == "function" else {})
    name = f"{kind.name}-{place}-{form}"
    return Case(name, model, inputs, expected(kind, place, storage), storage.files)


def byte_order_cases() -> dict[str, tuple[ElementType, str, str]]:
    """All that there are, by name; each is made when it is needed."""
    return {
        f"{kind.name}-{place}-{form}": (kind, place, form)
        for kind in ELEMENT_TYPES
        for place, (_, forms) in PLACES.items()
        for form in forms
        if holds(kind, place, form)
    }
