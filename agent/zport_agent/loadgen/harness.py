"""Between LoadGen and a model: the sample library and the system under test."""

import contextlib
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from zport_agent.arrays import Array, to_little
from zport_agent.loadgen.batching import grouped, predict_together
from zport_agent.pipeline import Pipeline

_NOTHING = np.frombuffer(b"\0", dtype="|u1")


class Harness:
    """Answers LoadGen's calls; answers are the outputs' little-endian bytes, in output order.

    At most ``batch`` samples that wait at the same time go to the model together; nobody waits for
    others to come. An exception must not cross into LoadGen's C++ threads, where it would end the
    process: the first is kept in ``failure`` and everything after is answered with nothing.
    """

    def __init__(self, pipeline: Pipeline, loadgen: Any, batch: int = 1) -> None:
        self.failure: Exception | None = None
        self.layouts: dict[int, list[dict[str, Any]]] = {}
        self.largest_batch = 0
        self._pipeline = pipeline
        self._loadgen = loadgen
        self._batch = batch
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
        for start in range(0, len(samples), self._batch):
            self._answer(samples[start : start + self._batch])

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
        last = False
        while not last:
            samples = [self._waiting.get()]
            with contextlib.suppress(queue.Empty):
                while samples[-1] is not None and len(samples) < self._batch:
                    samples.append(self._waiting.get_nowait())
            last = samples[-1] is None
            self._answer([sample for sample in samples if sample is not None])

    def _answer(self, samples: Sequence[Any]) -> None:
        answers: list[Array | None] = [None] * len(samples)
        with self._caught():
            if self.failure is None and samples:
                answers = list(self._predict([sample.index for sample in samples]))
        # LoadGen copies the bytes before this returns, so they need live no longer.
        responses = [
            self._loadgen.QuerySampleResponse(
                sample.id, (_NOTHING if data is None else data).ctypes.data,
                0 if data is None else data.nbytes,
            )
            for sample, data in zip(samples, answers, strict=True)
        ]  # fmt: skip
        if responses:
            self._loadgen.QuerySamplesComplete(responses)

    def _predict(self, indices: Sequence[int]) -> list[Array]:
        """Each sample's answer as bytes, shape (n,), dtype uint8."""
        samples = [self._samples[index] for index in indices]
        answers: dict[int, Array] = {}
        for group in grouped(samples) if len(samples) > 1 else [[0]]:
            self.largest_batch = max(self.largest_batch, len(group))
            outputs = predict_together(self._pipeline, [samples[place] for place in group])
            for place, output in zip(group, outputs, strict=True):
                answers[place] = self._as_bytes(indices[place], output)
        return [answers[place] for place in range(len(indices))]

    def _as_bytes(self, index: int, outputs: Mapping[str, Array]) -> Array:
        little = {name: to_little(array) for name, array in outputs.items()}
        self.layouts[index] = [
            {"name": name, "dtype": array.dtype.str, "shape": list(array.shape)}
            for name, array in little.items()
        ]
        joined = b"".join(array.tobytes() for array in little.values())
        return np.frombuffer(joined or b"\0", dtype="|u1")[: len(joined)]

    @contextlib.contextmanager
    def _caught(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.failure = self.failure or error
