"""Run models with ONNX Runtime and mark where each begins and ends: runs in the guest.

``guest.py MODEL...`` writes one line of JSON for each model. Every model gets the same inputs on
every side, is run once to warm up, and then once between two calls of getppid().
"""

from __future__ import annotations

import json
import os
import sys

import numpy as np
import onnxruntime

TYPES = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8, "tensor(int64)": np.int64}


def inputs_of(session: onnxruntime.InferenceSession) -> dict[str, np.ndarray]:
    """Inputs of the declared shapes; what is left open is 1."""
    random = np.random.default_rng(0)
    made = {}
    for wanted in session.get_inputs():
        shape = [size if isinstance(size, int) and size > 0 else 1 for size in wanted.shape]
        kind = TYPES[wanted.type]
        if kind is np.float32:
            made[wanted.name] = random.standard_normal(shape).astype(kind)
        else:
            made[wanted.name] = random.integers(0, 256, shape).astype(kind)
    return made


def main(models: list[str]) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    for model in models:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        inputs = inputs_of(session)
        session.run(None, inputs)
        os.getppid()
        outputs = session.run(None, inputs)
        os.getppid()
        sums = [float(np.abs(one.astype(np.float64)).sum()) for one in outputs]
        print(json.dumps({"version": onnxruntime.__version__, "sums": sums}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
