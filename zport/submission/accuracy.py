"""The accuracy log as it is submitted: cut to its ends, with a hash of the whole, and in words.

What its ``data`` holds is the bytes of a model's outputs, and LoadGen writes no word of their order
or shape. The agent program answers in a declared order, which accuracy.txt passes on.
"""

from __future__ import annotations

import re
from pathlib import Path

from zport.errors import SubmissionError
from zport.submission.rules import AccuracyLogRules, Benchmark
from zport.submission.runs import ANSWERS, Half
from zport.workspace import sha256_file

GIVEN = "accuracy.txt"
CUT = b"\n\n...\n\n"
HASH = re.compile(r"^hash=(\w+)$", re.MULTILINE)


def cut_log(path: Path, rules: AccuracyLogRules) -> bytes:
    """An accuracy log of at most ``rules.limit`` bytes: whole, or its start and its end."""
    size = path.stat().st_size
    if size <= rules.limit:
        return path.read_bytes()
    with path.open("rb") as file:
        start = file.read(rules.kept)
        file.seek(size - rules.kept)
        return start + CUT + file.read()


def accuracy_text(half: Half, benchmark: Benchmark) -> str:
    """The text of accuracy.txt: the stated accuracy if there is one, what the log is, its hash.

    A file of that name in the accuracy run's folder, such as the benchmark's own script writes, is
    what states the accuracy. Raises :class:`SubmissionError` if it cannot be read.
    """
    lines = [*_stated(half, benchmark), *_about(half)]
    return "\n".join([*lines, f"hash={sha256_file(half.file(ANSWERS))}", ""])


def states_accuracy(text: str, benchmark: Benchmark) -> bool:
    """Whether some line states the benchmark's accuracy as the checker reads it."""
    return any(re.match(benchmark.accuracy, line) for line in text.splitlines())


def _stated(half: Half, benchmark: Benchmark) -> list[str]:
    path = half.folder / GIVEN
    if path.exists():
        try:
            given = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SubmissionError(f"cannot be read: {error}", where=path,
                                  next_step="it has to be text") from error  # fmt: skip
        # A hash in it was of another log, or is the one that follows.
        return [line for line in given if not HASH.match(line)]
    task = half.result.task_accuracy
    if not task or not task.get("answers"):
        return ["zport: no task accuracy was measured"]
    line = f"accuracy={100 * task['right'] / task['answers']:.3f}%, " \
           f"good={task['right']}, total={task['answers']}"  # fmt: skip
    whole = task["answers"] == benchmark.dataset and states_accuracy(line, benchmark)
    return [line if whole else f"zport: task accuracy of labelled inputs: {line}"]


def _about(half: Half) -> list[str]:
    answers, order = half.result.answers, half.result.byte_order
    said = f"bytes of their outputs, {order}-endian" if order else "bytes of an undeclared order"
    outputs = answers[0].get("outputs", []) if answers else []
    shapes = ", ".join(f"{one['name']} {one['dtype']} {one['shape']}" for one in outputs)
    first = [f"zport: outputs of the first sample, one after the other: {shapes}"] if shapes else []
    return [f"zport: {len(answers)} samples answered; the log's data is the {said}", *first]
