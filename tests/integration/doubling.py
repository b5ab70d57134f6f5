"""A model that doubles what it is given: the smallest that an agent serves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml
from onnx import TensorProto, helper, save

MANIFEST = {
    "name": "doubler",
    "version": "1",
    "framework": {"name": "onnxruntime"},
    "inputs": [{"type": "vector"}],
    "outputs": [{"type": "vector"}],
    "preprocess": "import numpy\n\ndef preprocess(ctx, data):\n    return numpy.load(data)\n",
    "postprocess": "def postprocess(ctx, data):\n    return []\n",
    "model": {"graph_path": "net.onnx"},
    "zport": {"weights": "trained", "inputs": ["a.npy"], "bench": {"min_query_count": 64}},
}


def write_doubler(folder: Path) -> Path:
    """Write the model, with its file beside the manifest; all may read it."""
    folder.mkdir()
    given, result = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None]) for name in "xy"
    )
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "g", [given], [result])
    opsets = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opsets, ir_version=8), folder / "net.onnx")
    np.save(folder / "a.npy", np.array([1, 2, 3], "<f4"))
    (folder / "manifest.yml").write_text(yaml.safe_dump(MANIFEST))
    return folder
