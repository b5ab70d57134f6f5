"""How many instructions ONNX Runtime executes on s390x, beside Debian's build.

``python -m tests.bench.onnxruntime_instructions --wheel build/wheels/<key>/<name>.whl``, as root,
from the project's folder, on Debian 12. Time under QEMU says nothing about a machine: it emulates
vectors of floating point in software. So QEMU counts what the guest executes, by a plugin, and the
ratio of two builds in one run is the result. An instruction is not a cycle: it is a measure of the
code, not of a machine.

The wheel is counted twice, with its kernels for z14, which a machine would choose, and with the
scalar ones, which it chooses in QEMU. Both builds run in the same root, an image that has Debian's
package, with the same models, inputs and one thread; what is counted is one run of a session that
is warm. Their outputs are compared, too.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import onnx
import typer
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from rich.table import Table

from zport.engines.buildah import ISOLATION
from zport.engines.process import ask
from zport.errors import ZportError

FOLDER = Path(__file__).parent / "instructions"
PACKAGES = ("qemu-user", "libcapstone4", "liburing2")
"""The emulator with plugins, and its libraries that the host may lack; the static one has none."""
GETPPID = 64
"""Its number on s390x."""
AGENT = re.compile(r"localhost/zport/onnxruntime-debian:s390x-[0-9a-f]{16}")
DEBIAN = "usr/lib/python3/dist-packages/onnxruntime"
NETWORK = "ppocr-direction"
LIMIT = {"gemm": 1 / 3, "conv 3x3": 1 / 3}
"""The most of Debian's instructions that a case may have; any other may have as many."""
SIDES = {
    "Debian": {},
    "z14": {"MLAS_S390X_KERNELS": "vector", "PYTHONPATH": "/bench/wheel"},
    "scalar": {"MLAS_S390X_KERNELS": "scalar", "PYTHONPATH": "/bench/wheel"},
}


@dataclass(frozen=True)
class Counted:
    """One model on one side."""

    version: str
    instructions: int
    sums: list[float]


def weights(name: str, *shape: int) -> onnx.TensorProto:
    random = np.random.default_rng(sum(name.encode()))
    return numpy_helper.from_array(random.standard_normal(shape).astype(np.float32), name)


def one_node(node: onnx.NodeProto, shape: list[int], *constants: onnx.TensorProto) -> bytes:
    """A model of one operator on an input ``x``."""
    kind, result = TensorProto.FLOAT, TensorProto.FLOAT
    if node.op_type == "MatMulInteger":
        kind, result = TensorProto.UINT8, TensorProto.INT32
    graph = helper.make_graph(
        [node], "bench", [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", result, None)], list(constants),
    )  # fmt: skip
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, ir_version=9, opset_imports=opset).SerializeToString()


def cases() -> dict[str, bytes]:
    """The operators that are counted by themselves."""
    random = np.random.default_rng(0)
    bytes_ = random.integers(-128, 128, (256, 256)).astype(np.int8)
    product = helper.make_node("MatMul", ["x", "w"], ["y"])
    spread = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    conv = helper.make_node("Conv", ["x", "w", "b"], ["y"], **spread)
    depth = helper.make_node("Conv", ["x", "w", "b"], ["y"], group=64, **spread)
    return {
        "gemm": one_node(product, [128, 256], weights("w", 256, 256)),
        "gemm, one row": one_node(product, [1, 512], weights("w", 512, 512)),
        "conv 3x3": one_node(conv, [1, 32, 28, 28], weights("w", 64, 32, 3, 3), weights("b", 64)),
        "conv depthwise": one_node(
            depth, [1, 64, 28, 28], weights("w", 64, 1, 3, 3), weights("b", 64)
        ),
        "softmax": one_node(helper.make_node("Softmax", ["x"], ["y"]), [64, 1000]),
        "erf": one_node(helper.make_node("Erf", ["x"], ["y"]), [64, 1000]),
        "matmul u8 x s8": one_node(
            helper.make_node("MatMulInteger", ["x", "w", "zero"], ["y"]), [64, 256],
            numpy_helper.from_array(bytes_, "w"),
            numpy_helper.from_array(np.uint8(128), "zero"),
        ),
    }  # fmt: skip


def prepare_emulator(folder: Path) -> None:
    """QEMU, the libraries that it loads, the loader for them, and the plugin, in one folder."""
    folder.mkdir()
    with TemporaryDirectory() as name:
        root = Path(name) / "root"
        subprocess.run(
            ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *PACKAGES],
            cwd=name,
            check=True,
        )
        for package in Path(name).glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, root], check=True)
        emulator = root / "usr/bin/qemu-s390x"
        search = next(root.glob("usr/lib/*/libcapstone.so.4")).parent
        loads = subprocess.run(
            ["ldd", emulator], env={"LD_LIBRARY_PATH": str(search)}, check=True,
            capture_output=True, text=True,
        ).stdout  # fmt: skip
        for library in re.findall(r"(/\S+) \(0x", loads):
            shutil.copy(library, folder)
        shutil.copy(emulator, folder)
    subprocess.run(
        ["cc", "-O2", "-shared", "-fPIC", f"-DMARK={GETPPID}", FOLDER / "count.c",
         "-o", folder / "libcount.so"], check=True,
    )  # fmt: skip


@contextmanager
def container(image: str) -> Iterator[tuple[str, Path]]:
    """A working container of an image, and where its root is."""
    name = ask(["buildah", "from", "--pull-never", image]).strip()
    try:
        yield name, Path(ask(["buildah", "mount", name]).strip())
    finally:
        ask(["buildah", "rm", name])


def image_with_debians_build() -> str:
    """The newest agent image that has Debian's package."""
    listed = ask(["buildah", "images", "--format", "{{.Name}}:{{.Tag}}"]).split()
    for image in listed:
        if AGENT.fullmatch(image):
            with container(image) as (_, root):
                if (root / DEBIAN).exists():
                    return image
    raise ZportError(
        "no agent image here has Debian's ONNX Runtime",
        next_step="build one with the package from the distribution, or give --image",
    )


def network() -> bytes:
    """A whole network, which the project's own models run has fetched."""
    found = sorted(Path("build/models").glob(f"{NETWORK}-*/*.onnx"))
    if not found:
        raise ZportError(f"no {NETWORK} in build/models", next_step=f"./build.py --model {NETWORK}")
    model = onnx.load(found[-1])
    # One line of text, where the model leaves sizes open
    for dimension, size in zip(
        model.graph.input[0].type.tensor_type.shape.dim, (1, 3, 48, 192), strict=True
    ):
        dimension.dim_value = size
    return model.SerializeToString()


def count(name: str, folder: Path, models: list[str], side: str) -> list[Counted]:
    """Run all models on one side."""
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "HOME": "/tmp", **SIDES[side]}
    command = [
        "buildah", "run", *ISOLATION, "--volume", f"{folder}:/bench:ro",
        *(f"--env={key}={value}" for key, value in environment.items()), name, "--",
        "/bench/qemu/ld-linux-x86-64.so.2", "--library-path", "/bench/qemu",
        "/bench/qemu/qemu-s390x", "-plugin", "/bench/qemu/libcount.so",
        "/usr/bin/python3", "/bench/guest.py", *(f"/bench/{model}" for model in models),
    ]  # fmt: skip
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    marks = [int(mark) for mark in re.findall(r"^mark: (\d+)$", done.stderr, re.MULTILINE)]
    told = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode != 0 or len(marks) != 2 * len(models) or len(told) != len(models):
        raise ZportError(f"{side}: the guest failed\n{done.stderr[-2000:]}")
    between = [end - start for start, end in zip(marks[::2], marks[1::2], strict=True)]
    return [
        Counted(one["version"], instructions, one["sums"])
        for one, instructions in zip(told, between, strict=True)
    ]


def judge(case: str, ratio: float, sums: dict[str, list[float]]) -> str:
    """What is wrong with a case, if anything."""
    if round(ratio, 2) > LIMIT.get(case, 1.0):
        return f"more than {LIMIT.get(case, 1.0):.2f} of Debian's"
    for side in ("z14", "scalar"):
        if not all(
            math.isclose(one, other, rel_tol=1e-4)
            for one, other in zip(sums["Debian"], sums[side], strict=True)
        ):
            return f"{side}: other numbers than Debian's"
    return ""


def main(
    wheel: Annotated[Path, typer.Option(help="the wheel of ONNX Runtime for s390x")],
    image: Annotated[str | None, typer.Option(help="an image with Debian's package")] = None,
    model: Annotated[list[Path] | None, typer.Option(help="more models to count")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Count the instructions of each case on each side and print the ratios."""
    console = Console(stderr=as_json)
    files = {**cases(), NETWORK: network(), **{one.stem: one.read_bytes() for one in model or []}}
    with TemporaryDirectory() as name, container(image or image_with_debians_build()) as (box, _):
        folder = Path(name)
        folder.chmod(0o755)  # the image's user is not root
        prepare_emulator(folder / "qemu")
        shutil.copy(FOLDER / "guest.py", folder)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "wheel")
        for number, content in enumerate(files.values()):
            (folder / f"{number}.onnx").write_bytes(content)
        names = [f"{number}.onnx" for number in range(len(files))]
        sides = {side: count(box, folder, names, side) for side in SIDES}
    rows = []
    for number, case in enumerate(files):
        counted = {side: found[number] for side, found in sides.items()}
        debian = counted["Debian"].instructions
        ratios = {side: one.instructions / debian for side, one in counted.items()}
        rows.append({
            "case": case,
            "instructions": {side: one.instructions for side, one in counted.items()},
            "ratios": {side: round(ratio, 3) for side, ratio in ratios.items()},
            "wrong": judge(case, ratios["z14"], {s: one.sums for s, one in counted.items()}),
        })  # fmt: skip
    versions = {side: found[0].version for side, found in sides.items()}
    if as_json:
        print(json.dumps({"versions": versions, "wheel": wheel.name, "cases": rows}, indent=2))
    else:
        table = Table(
            "case", "Debian, millions", "z14", "z14/Debian", "scalar/Debian", "",
            title=f"Instructions on s390x, ONNX Runtime {versions['z14']} and {versions['Debian']}",
        )  # fmt: skip
        for row in rows:
            millions = {side: f"{value / 1e6:.2f}" for side, value in row["instructions"].items()}
            table.add_row(
                row["case"], millions["Debian"], millions["z14"], f"{row['ratios']['z14']:.2f}",
                f"{row['ratios']['scalar']:.2f}", row["wrong"],
            )  # fmt: skip
        console.print(table)
    if any(row["wrong"] for row in rows):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
