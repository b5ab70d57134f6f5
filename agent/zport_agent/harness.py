"""Between LoadGen and a model: the sample library and the system under test."""

import contextlib
import queue
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from zport_agent.arrays import Array, to_little
from zport_agent.pipeline import Pipeline


class Harness:
    """Answers LoadGen's calls; answers are the outputs' little-endian bytes, in output order.

    An exception must not cross into LoadGen's C++ threads, where it would end the process:
    the first is kept in ``failure`` and everything after is answered with nothing.
    """

    def __init__(self, pipeline: Pipeline, loadgen: Any) -> None:
        self.failure: Exception | None = None
        self.layouts: dict[int, list[dict[str, Any]]] = {}
        self._pipeline = pipeline
        self._loadgen = loadgen
        self._samples: dict[int, dict[str, Array]] = {}
        self._waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def load_samples(self, indices: Sequence[int]) -> None:
        """Preprocess inputs; LoadGen does not time this."""
        with self._caught():
            for index in indices:
                self._samples[index] = self._pipeline.prepare(index)

    def unload_samples(self, indices: Sequence[int]) -> None:
        """Forget preprocessed inputs."""
        for index in indices:
            self._samples.pop(index, None)

    def issue_inline(self, samples: Sequence[Any]) -> None:
        """Answer within the call: SingleStream and MultiStream wait for it anyway."""
        for sample in samples:
            self._answer(sample)

    def issue_queued(self, samples: Sequence[Any]) -> None:
        """Return at once and leave the work to ``worker``: Server and Offline."""
        for sample in samples:
            self._waiting.put(sample)

    def flush(self) -> None:
        """Nothing is held back, so nothing is flushed."""

    @contextlib.contextmanager
    def worker(self) -> Iterator[None]:
        """A thread that answers queued samples while the block runs."""
        thread = threading.Thread(target=self._work, name="zport-bench")
        thread.start()
        try:
            yield
        finally:
            self._waiting.put(None)
            thread.join()

    def _work(self) -> None:
        while (sample := self._waiting.get()) is not None:
            self._answer(sample)

    def _answer(self, sample: Any) -> None:
        data = np.frombuffer(b"\0", dtype="|u1")
        size = 0
        with self._caught():
            if self.failure is None:
                data = self._predict(sample.index)
                size = data.nbytes
        # LoadGen copies the bytes before this returns, so ``data`` need live no longer.
        response = self._loadgen.QuerySampleResponse(sample.id, data.ctypes.data, size)
        self._loadgen.QuerySamplesComplete([response])

    def _predict(self, index: int) -> Array:
        """One sample's answer as bytes, shape (n,), dtype uint8."""
        outputs = self._pipeline.predict(self._samples[index])
        little = {name: to_little(array) for name, array in outputs.items()}
        self.layouts[index] = [
            {"name": name, "dtype": array.dtype.str, "shape": list(array.shape)}
            for name, array in little.items()
        ]
        joined = b"".join(array.tobytes() for array in little.values())
        return np.frombuffer(joined, dtype="|u1")

    @contextlib.contextmanager
    def _caught(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.failure = self.failure or error
