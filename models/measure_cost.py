"""Measures a model for its manifest: ``python measure_cost.py MODEL_FOLDER FILES_FOLDER``.

Prints ``megabytes``, the graph's size as it is run, and ``gflop``: the multiplications and
additions of its products (convolutions, matrices, recurrent layers) in one pass over all inputs,
from the shapes that ONNX Runtime's profile tells. Needs onnxruntime and the agent's package.
"""

import json
import math
import sys
import tempfile
from pathlib import Path
from typing import Any

import onnxruntime
from zport_agent import processing
from zport_agent.arrays import to_native
from zport_agent.pipeline import Job, open_pipeline


def operations(event: dict[str, Any]) -> int:
    """The multiplications and additions of one node, by its inputs' and outputs' shapes."""
    kind = event["op_name"]
    inputs = [next(iter(one.values())) for one in event["input_type_shape"]]
    outputs = [next(iter(one.values())) for one in event["output_type_shape"]]
    if kind in ("Conv", "ConvInteger"):
        return 2 * math.prod(outputs[0]) * math.prod(inputs[1][1:])
    if kind == "ConvTranspose":
        # Of windows that do not overlap, as all here: the profile does not tell the weights' shape.
        return 2 * math.prod(outputs[0]) * inputs[0][1]
    if kind in ("MatMul", "MatMulInteger"):
        return 2 * math.prod(outputs[0]) * inputs[0][-1]
    if kind == "Gemm":
        return 2 * math.prod(inputs[0]) * outputs[0][-1]
    if kind in ("LSTM", "GRU", "RNN"):
        steps, batch = inputs[0][:2]
        return 2 * steps * batch * (math.prod(inputs[1]) + math.prod(inputs[2]))
    return 0


def main(model: Path, files: Path) -> None:
    """Print both figures."""
    with tempfile.TemporaryDirectory() as folder:
        pipeline = open_pipeline(Job(model, files, Path(folder)))
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        options.log_severity_level = 3
        graph = pipeline.files[0].path
        session = onnxruntime.InferenceSession(str(graph), options)
        for index in range(len(pipeline.input_files)):
            inputs: dict[str, processing.Array] = pipeline.prepare(index)
            session.run(None, {name: to_native(array) for name, array in inputs.items()})
        events = json.loads(Path(session.end_profiling()).read_text())
    nodes = [event["args"] for event in events if event.get("cat") == "Node"]
    total = sum(operations(args) for args in nodes if "output_type_shape" in args)
    print(f"  megabytes: {graph.stat().st_size / 1e6:.3g}")
    print(f"  gflop: {total / 1e9:.3g}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
