"""PyTorch, on the CPU: TorchScript, torch.export, and weights with a network that is given as code.

A file decides by its contents which of them it is. Files of the other byte order are mended before
PyTorch reads them (:mod:`zport_agent.pytorch.archive`). Nothing that a file of weights would run is
run: only tensors are loaded of it.
"""

import contextlib
import inspect
import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zport_agent.arrays import Array, to_native
from zport_agent.backends import OperatorRun, TensorSpec
from zport_agent.errors import (
    AgentError,
    ModelFileError,
    ProcessingError,
    UnsupportedError,
    one_line,
)
from zport_agent.pytorch.archive import Kind, readable
from zport_agent.pytorch.importing import complete, import_torch
from zport_agent.pytorch.operators import operators

torch = import_torch()

# TorchScript's types of arguments that are no tensors, by NumPy's name of the dtype.
_SCALARS = {"int": "int64", "float": "float64", "bool": "bool"}
# What PyTorch says, as a RuntimeError, of an operator that it has not on this machine.
_UNSUPPORTED = ("not implemented for", "Could not run", "not supported", "Unknown builtin op",
                "No such operator", "didn't find engine", "unsupported")  # fmt: skip
_STEP = "network"


class PyTorch:
    """The Backend of PyTorch; it may be given a network, as Defining says."""

    name = "pytorch"

    def __init__(self) -> None:
        self.version: str = torch.__version__.partition("+")[0]
        # Where PyTorch is built with LLVM, TorchScript compiles chains of operators when it runs
        # for the second time; on s390x LLVM 19, as Debian has it, cannot load what it made.
        torch._C._jit_set_texpr_fuser_enabled(False)
        self._network: Callable[[Any], Any] | None = None
        self._model: Callable[..., Any] | None = None
        self._inputs: list[TensorSpec] = []
        # Inputs of TorchScript that are numbers and no tensors: of tensors it does not say a shape.
        self._scalars: frozenset[str] = frozenset()

    def define(self, code: Path) -> None:
        """See Defining.define."""
        self._network = _network_of(code)

    def load(self, path: Path, threads: int) -> None:
        """See Backend.load."""
        torch.set_num_threads(threads)
        try:
            kind, loaded = _loaded(path)
            if kind == "export":
                self._model, self._inputs = loaded.module(), list(_exported_inputs(loaded))
            else:
                self._model, self._inputs = self._defined(path, kind, loaded)
        except AgentError:
            raise
        except Exception as error:
            raise _failure(error, f"{path}: PyTorch {self.version} cannot read this file") from None
        if isinstance(self._model, torch.jit.ScriptModule):
            self._scalars = frozenset(spec.name for spec in self._inputs if spec.shape == ())

    @contextlib.contextmanager
    def profile(self, path: Path, threads: int) -> Iterator[list[OperatorRun]]:
        """See Profiling.profile."""
        self.load(path, threads)
        ran: list[OperatorRun] = []
        with torch.autograd.profiler.profile(record_shapes=True) as profiler:
            yield ran
        ran += operators(profiler.kineto_results.events())

    def _defined(
        self, path: Path, kind: Kind, loaded: Any
    ) -> tuple[Callable[..., Any], list[TensorSpec]]:
        if kind == "state" and self._network is None:
            raise UnsupportedError(
                f"{path}: it holds weights and no network; "
                f"name a Python file that defines {_STEP}(weights) in zport.network"
            )
        model = self._network(loaded) if self._network else loaded
        if isinstance(model, torch.nn.Module):
            model.eval()
        if isinstance(model, torch.jit.ScriptModule):
            return model, list(_scripted_inputs(model))
        names = inspect.signature(getattr(model, "forward", model)).parameters
        return model, [TensorSpec(name, None, None) for name in names]

    def inputs(self) -> list[TensorSpec]:
        """See Backend.inputs."""
        return self._inputs

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See Backend.predict."""
        assert self._model is not None
        try:
            arguments = [self._argument(spec.name, inputs[spec.name]) for spec in self._inputs]
            with torch.inference_mode():
                answer = self._model(*arguments)
                return {name: _array(tensor) for name, tensor in _outputs(answer, "")}
        except (UnsupportedError, ProcessingError):
            raise
        except Exception as error:
            raise _failure(error, "PyTorch cannot run the model", ProcessingError) from None

    def _argument(self, name: str, array: Array) -> Any:
        native = to_native(array)
        return native.item() if name in self._scalars else torch.from_numpy(native.copy())


def _network_of(code: Path) -> Callable[[Any], Any]:
    namespace: dict[str, Any] = {"__name__": "zport_network", "__file__": str(code)}
    try:
        # As with a manifest's steps: whoever runs a model runs its author's code.
        exec(compile(code.read_text(encoding="utf-8"), str(code), "exec"), namespace)  # noqa: S102
    except Exception as error:
        raise ProcessingError(f"{code}: {type(error).__name__}: {one_line(error)}") from None
    network = namespace.get(_STEP)
    if not callable(network):
        raise ProcessingError(f"{code}: it defines no {_STEP}(loaded)")

    def build(loaded: Any) -> Any:
        try:
            built = network(loaded)
        except Exception as error:
            raise ProcessingError(f"{code}: {_STEP} raised {type(error).__name__}: "
                                  f"{one_line(error)}") from None  # fmt: skip
        if not callable(built):
            found = type(built).__name__
            raise ProcessingError(f"{code}: {_STEP} gave a {found}; expected what runs the model")
        return built

    return build


def _loaded(path: Path) -> tuple[Kind, Any]:
    if path.suffix == ".safetensors":
        return "state", _safetensors(path)
    kind, file = readable(path)
    return kind, _LOADERS[kind](file if isinstance(file, io.BytesIO) else str(file))


def _script(file: Any) -> Any:
    return torch.jit.load(file, map_location="cpu")


def _state(file: Any) -> Any:
    return torch.load(file, map_location="cpu", weights_only=True)


def _export(file: Any) -> Any:
    complete()
    with warnings.catch_warnings():
        # Of constants, whose nodes it inserts before it registers them.
        warnings.simplefilter("ignore", UserWarning)
        return torch.export.load(file)


def _safetensors(path: Path) -> Any:
    from safetensors.torch import load_file

    return load_file(path)


_LOADERS: dict[Kind, Callable[[Any], Any]] = {
    "torchscript": _script, "state": _state, "export": _export,
}  # fmt: skip


def _scripted_inputs(model: Any) -> Iterator[TensorSpec]:
    for argument in model.forward.schema.arguments[1:]:
        if argument.has_default_value():
            continue
        kind = str(argument.type)
        yield TensorSpec(argument.name, _SCALARS.get(kind), () if kind in _SCALARS else None)


def _exported_inputs(program: Any) -> Iterator[TensorSpec]:
    values = {node.name: node.meta["val"] for node in program.graph.nodes
              if node.op == "placeholder"}  # fmt: skip
    for name in program.graph_signature.user_inputs:
        value = values.get(name)
        if not isinstance(value, torch.Tensor):
            raise UnsupportedError(f"the program's input {name} is no tensor: export it with one")
        sizes = tuple(size if isinstance(size, int) else None for size in value.shape)
        yield TensorSpec(name, str(value.dtype).removeprefix("torch."), sizes)


def _outputs(answer: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The tensors in what a model gave, in its own order: ``output``, or by key and place."""
    if isinstance(answer, torch.Tensor):
        yield name or "output", answer
    elif isinstance(answer, Mapping):
        for key, value in answer.items():
            yield from _outputs(value, f"{name}.{key}" if name else str(key))
    elif isinstance(answer, Sequence) and not isinstance(answer, str):
        for place, value in enumerate(answer):
            yield from _outputs(value, f"{name}.{place}" if name else f"output{place}")
    elif isinstance(answer, int | float):
        yield name or "output", torch.tensor(answer)
    elif answer is not None:
        raise UnsupportedError(f"output '{name}' is a {type(answer).__name__}, not a tensor")


def _array(tensor: Any) -> Array:
    """A tensor as an array; what NumPy has no type for is widened to one that holds it exactly."""
    dense = tensor.to_dense() if tensor.layout != torch.strided else tensor
    dense = dense.dequantize() if dense.is_quantized else dense
    if dense.dtype == torch.bfloat16 or "float8" in str(dense.dtype):
        dense = dense.float()
    return np.asarray(dense.detach().resolve_conj().resolve_neg().cpu().numpy())


def _failure(error: Exception, what: str, otherwise: type[Exception] = ModelFileError) -> Exception:
    reason = one_line(error)
    lacking = isinstance(error, NotImplementedError) or any(w in reason for w in _UNSUPPORTED)
    return (UnsupportedError if lacking else otherwise)(f"{what}: {reason}")
