"""The model manifest: MLModelScope's thirteen keys and zport's one, ``zport:``.

The format is that of c3sr/dlmodel's version 2 manifests. Keys of theirs that zport does not
know are let through, wrong types are not; inside ``zport:`` unknown keys are refused.
The toolkit on the host reads manifests through this module too, so it imports neither NumPy
nor any framework.
"""

import difflib
import posixpath
import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from zport_agent.byteorder import ByteOrder, is_against_format
from zport_agent.errors import ManifestError
from zport_agent.loadgen.names import Scenario
from zport_agent.source import ModelSource
from zport_agent.tolerance import DEFAULTS, bounds_from, default_bounds
from zport_agent.yamltext import read_yaml

Preparation: TypeAlias = Literal["build", "seed", "swap", "convert"]
Converted: TypeAlias = Literal["tflite", "onnx"]


def _number(value: object) -> object:
    # YAML 1.1, which PyYAML reads, takes 1e-5 for text because it has no dot.
    if isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", value):
        return float(value)
    return value


def _checksum(value: str) -> str:
    if value and not re.fullmatch(r"sha256:[0-9a-f]{64}|[0-9a-f]{64}|[0-9a-f]{32}", value):
        raise ValueError(
            "sha256:<64 hex digits in lower case>, or the 32 digits of an MD5 as MLModelScope has"
        )
    return value


def _base_url(value: str) -> str:
    if value:
        ModelSource.parse(value)
    return value


def _local_name(value: str) -> str:
    parts = value.split("/")
    if not value or posixpath.isabs(value) or ".." in parts or "\\" in value:
        raise ValueError("a file name relative to the manifest's folder, without '..'")
    return value


Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Checksum = Annotated[str, AfterValidator(_checksum)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
LocalName = Annotated[str, AfterValidator(_local_name)]
BoundPair = Annotated[list[Annotated[Number, Field(ge=0)]], Field(min_length=2, max_length=2)]
Label: TypeAlias = str | int | bool | dict[str, Any]


class _Wild(BaseModel):
    """A part of MLModelScope's format."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class _Own(BaseModel):
    """A part of zport's extension."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Framework(_Wild):
    """Which framework runs the model; ``version`` is a constraint such as ``>=1.17``."""

    name: str = Field(min_length=1)
    version: str | None = None


class TensorEntry(_Wild):
    """One entry of ``inputs`` or ``outputs``; ``element_type`` is its dtype's name."""

    type: str
    description: str | None = None
    element_type: str | None = None
    parameters: dict[str, Any] | None = None


class ModelFiles(_Wild):
    """Where the files are and what they must hash to.

    ``graph_checksum`` is that of the file as fetched, before it is prepared.
    """

    base_url: BaseUrl | None = None
    graph_path: str = Field(min_length=1)
    weights_path: str | None = None
    features_path: str | None = None
    is_archive: bool | None = None
    graph_checksum: Checksum | None = None
    weights_checksum: Checksum | None = None
    features_checksum: Checksum | None = None

    @property
    def source(self) -> ModelSource | None:
        """``base_url`` parsed, or None where ``graph_path`` is a whole URL."""
        return ModelSource.parse(self.base_url) if self.base_url else None

    def files(self) -> list[tuple[str, str | None]]:
        """The model's (path, checksum) pairs: the graph first, then those that are named."""
        pairs = [
            (self.graph_path, self.graph_checksum),
            (self.weights_path, self.weights_checksum),
            (self.features_path, self.features_checksum),
        ]
        return [(path, checksum) for path, checksum in pairs if path]


class Tolerance(_Own):
    """How far an output may be from its reference: ``|c - r| <= absolute + relative * |r|``.

    ``absolute`` and ``relative`` are float32's; other floating dtypes have them where they are
    looser than their own. ``dtypes`` gives one dtype [absolute, relative]. The defaults and their
    reasons are the table in :mod:`zport_agent.tolerance`; what is looser has a ``reason`` here.
    """

    absolute: Annotated[Number, Field(ge=0)] = DEFAULTS["float32"].absolute
    relative: Annotated[Number, Field(ge=0)] = DEFAULTS["float32"].relative
    dtypes: dict[str, BoundPair] = {}
    reason: str | None = None

    @field_validator("dtypes")
    @classmethod
    def _known_dtypes(cls, dtypes: dict[str, list[float]]) -> dict[str, list[float]]:
        unknown = [name for name in dtypes if name not in DEFAULTS]
        if unknown:
            raise ValueError(f"dtypes of {', '.join(DEFAULTS)}")
        return dtypes

    @model_validator(mode="after")
    def _looser_needs_a_reason(self) -> "Tolerance":
        stated = {"float32": [self.absolute, self.relative], **self.dtypes}
        for name, (absolute, relative) in stated.items():
            default = DEFAULTS[name]
            if (absolute > default.absolute or relative > default.relative) and not self.reason:
                raise ValueError(
                    f"a 'reason', because for {name} it is looser than absolute "
                    f"{default.absolute:g} and relative {default.relative:g}"
                )
        return self

    def bounds(self) -> dict[str, tuple[float, float]]:
        """(absolute, relative) for each dtype that an output may have."""
        stated = self.model_fields_set & {"absolute", "relative"}
        table = bounds_from(self.absolute, self.relative) if stated else default_bounds()
        return table | {name: (pair[0], pair[1]) for name, pair in self.dtypes.items()}


class Bench(_Own):
    """LoadGen settings; what is None is LoadGen's own default or measured before the run.

    ``percentile`` is the target latency's, as a fraction. ``min_query_count`` counts samples
    in the Offline scenario, which issues one query.
    """

    scenario: Scenario = "SingleStream"
    min_query_count: Annotated[int, Field(ge=1)] = 64
    percentile: Annotated[Number, Field(gt=0, lt=1)] | None = 0.9
    min_duration_ms: Annotated[int, Field(ge=0)] = 0
    max_duration_ms: Annotated[int, Field(ge=0)] = 0
    target_qps: Annotated[Number, Field(gt=0)] | None = None
    target_latency_ns: Annotated[int, Field(ge=1)] | None = None
    samples_per_query: Annotated[int, Field(ge=1)] | None = None


class Build(_Own):
    """An architecture that is built in code, by its name in ``zport_zoo``, and its options."""

    architecture: str = Field(min_length=1)
    options: dict[str, Annotated[int, Field(ge=0)]] = {}


class Zport(_Own):
    """The ``zport:`` block: what the weights are, what to run and how near it must come.

    ``build`` says that the graph is made in code and not fetched. ``byte_order`` declares the
    order of the numbers in the graph's file where its format leaves that open, or where it was
    written against its format. ``smoke`` puts the model into the set that runs unless others are
    named. ``network`` is a Python file beside the manifest, for frameworks whose files may hold
    weights alone. ``convert`` is the format that a model of TensorFlow's is converted to for where
    TensorFlow does not run; the file lies beside the graph's then. ``megabytes`` is the size of the
    graph as it is run, ``gflop`` the cost of one pass over all inputs (10^9 operations; a product
    and its sum are two). ``sample`` names outputs of which so many elements are kept, for those too
    large to store. ``labels`` are the right answers, one an input: what postprocess should say
    first, as its ``label``, or a mapping of which every key must be equal.
    """

    weights: Literal["trained", "seeded", "constant"]
    seed: Annotated[int, Field(ge=0)] | None = None
    build: Build | None = None
    byte_order: ByteOrder | None = None
    network: LocalName | None = None
    convert: Converted | None = None
    smoke: bool = False
    megabytes: Annotated[Number, Field(gt=0)] | None = None
    gflop: Annotated[Number, Field(ge=0)] | None = None
    inputs: Annotated[list[LocalName], Field(min_length=1)]
    labels: list[Label] | None = None
    expected: LocalName = "expected.npz"
    sample: dict[str, Annotated[int, Field(ge=1)]] = {}
    tolerance: Tolerance = Tolerance()
    bench: Bench = Bench()

    @model_validator(mode="after")
    def _a_label_an_input(self) -> "Zport":
        if self.labels is not None and len(self.labels) != len(self.inputs):
            raise ValueError(f"as many 'labels' as 'inputs', which are {len(self.inputs)}")
        return self

    @model_validator(mode="after")
    def _seed_iff_seeded(self) -> "Zport":
        if (self.seed is not None) != (self.weights == "seeded"):
            raise ValueError("a 'seed' exactly when 'weights' is 'seeded'")
        if self.build and self.seed is None:
            raise ValueError("'weights: seeded' and a 'seed', because 'build' makes the weights")
        return self


class Manifest(_Wild):
    """One model. ``zport`` is None in a plain MLModelScope manifest."""

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    description: str | None = None
    license: str | None = None
    hidden: bool | None = None
    references: list[str] | None = None
    framework: Framework
    modality: str | None = None
    inputs: list[TensorEntry] = Field(min_length=1)
    outputs: list[TensorEntry] = Field(min_length=1)
    preprocess: str | None = None
    postprocess: str | None = None
    model: ModelFiles
    attributes: dict[str, Any] | None = None
    zport: Zport | None = None

    _path: Path = PrivateAttr(default=Path("manifest.yml"))
    _lines: dict[str, int] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _built_or_fetched(self) -> "Manifest":
        own = self.zport
        if own and own.build and (self.model.base_url or self.model.graph_checksum):
            raise ValueError(
                "'model' without base_url and graph_checksum, because 'zport.build' makes the graph"
            )
        if own and own.convert and (own.seed is not None or own.byte_order == "big"):
            raise ValueError("no 'zport.convert' with a 'seed' or 'zport.byte_order: big'")
        if own and own.seed is not None and own.byte_order == "big":
            raise ValueError("no 'zport.byte_order: big' with a 'seed': the seeded file is little")
        return self

    @property
    def preparation(self) -> Preparation | None:
        """What is made of the graph's file: another in its place, or one beside it (convert)."""
        own = self.zport
        if own is None:
            return None
        if own.seed is not None:
            return "build" if own.build else "seed"
        if own.convert:
            return "convert"
        return "swap" if is_against_format(self.model.graph_path, own.byte_order) else None

    @property
    def path(self) -> Path:
        """The file the manifest was read from."""
        return self._path

    def first_line(self, key: str) -> int:
        """The line of the file (from 1) on which the text of a top-level key begins."""
        return self._lines.get(key, 1)

    def extension(self) -> Zport:
        """The ``zport:`` block. Raises ManifestError where the manifest has none."""
        if self.zport is None:
            raise ManifestError(
                f"{self.path}: zport: missing; to run this model add a block with "
                "'weights' (trained, seeded or constant) and 'inputs' (a list of file names)"
            )
        return self.zport


def load_manifest(path: Path | str) -> Manifest:
    """Read a manifest: a ``.yml`` file, or the folder that holds ``manifest.yml``.

    Raises ManifestError naming the file, the fields, what was expected and what was found.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "manifest.yml"
    data, lines = read_yaml(path)
    try:
        manifest = Manifest.model_validate(data)
    except ValidationError as error:
        raise ManifestError(explain(str(path), error)) from None
    manifest._path = path
    manifest._lines = lines
    return manifest


_OWN_SECTIONS: dict[str, type[BaseModel]] = {
    "zport": Zport,
    "zport.build": Build,
    "zport.tolerance": Tolerance,
    "zport.bench": Bench,
}


def explain(where: str, error: ValidationError) -> str:
    """What pydantic found wrong, in our words: one line, or one a field when several are."""
    complaints = [_complaint(dict(detail)) for detail in error.errors(include_url=False)]
    if len(complaints) == 1:
        return f"{where}: {complaints[0]}"
    return "\n  ".join([f"{where}: {len(complaints)} fields are wrong", *complaints])


def _complaint(detail: dict[str, Any]) -> str:
    field = _field_path(detail["loc"])
    if detail["type"] == "missing":
        return f"{field}: missing; this field is required"
    if detail["type"] == "extra_forbidden":
        return f"{field}: unknown key{_nearest(field)}"
    expected = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    found = detail["input"]
    text = f"a {type(found).__name__}" if isinstance(found, dict | list) else repr(found)[:80]
    return f"{field}: expected {expected}, found {text}"


def _field_path(loc: tuple[int | str, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.removeprefix(".") or "the document"


def _nearest(field: str) -> str:
    section, _, key = field.rpartition(".")
    known = list(_OWN_SECTIONS[section].model_fields)
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; known are {', '.join(known)}"
