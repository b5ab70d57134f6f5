"""The matrix as pytest shows it, with a session whose answers are there already."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAIN = '''
import json, sys
from pathlib import Path
import pytest
from zport.matrix import plugin
from zport.matrix.session import ENDED, PLAN

class Session:
    """Answers at once what a file says; tells what it was asked for."""

    def __init__(self, folder):
        self.folder, self.results, self.started = folder, [], False
        self.answers = json.loads((folder / "answers.json").read_text())

    def start(self, titles):
        self.started = True
        (self.folder / "asked.json").write_text(json.dumps(sorted(titles)))
        for title in titles:
            if title in self.answers:
                (self.folder / f"{title}.json").write_text(json.dumps(self.answers[title]))
        (self.folder / ENDED).write_text(json.dumps({"error": self.answers.get("error")}))

    def finish(self):
        pass

folder = Path(sys.argv[1])
sys.exit(pytest.main(["-p", "zport.matrix.plugin", "-c", str(folder / "matrix.ini"), "--rootdir",
                      str(folder), *sys.argv[2:], str(folder / "models")],
                     plugins=[plugin.HandedOver(Session(folder))]))
'''
CELLS = [
    ("silero", "s390x", "qemu", "pass"),
    ("silero", "amd64", "native", "pass"),
    ("broken", "s390x", "ssh://z", "crash"),
    ("broken", "amd64", "native", "pass"),
]


@pytest.fixture
def run(tmp_path):
    """Runs the plugin in a process of its own over four cells of two models."""
    folder = tmp_path.resolve()
    plan, answers = [], {}
    for model, target, runner, verdict in CELLS:
        manifest = folder / "models" / model / "manifest.yml"
        manifest.parent.mkdir(parents=True, exist_ok=True)
        manifest.touch()
        title = f"{model}-{target}"
        plan.append({
            "title": title, "manifest": str(manifest), "model": model, "agent": "ort",
            "target": target, "runner": runner, "framework": "onnxruntime", "task": "audio",
            "reference": target == "amd64",
        })  # fmt: skip
        answers[title] = {"verdict": verdict, "reason": "ended by SIGSEGV", "log": "/the/log"}
    (folder / "plan.json").write_text(json.dumps(plan))
    (folder / "matrix.ini").write_text("[pytest]\n")

    def call(*arguments, without=(), error=None):
        known = {key: value for key, value in answers.items() if key not in without}
        (folder / "answers.json").write_text(json.dumps(known | {"error": error}))
        for path in folder.glob("*.json"):
            if path.name not in ("plan.json", "answers.json"):
                path.unlink()
        done = subprocess.run(
            [sys.executable, "-c", MAIN, folder, *arguments], cwd=ROOT, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        asked = folder / "asked.json"
        done.asked = json.loads(asked.read_text()) if asked.exists() else []
        return done

    return call


def test_each_cell_is_an_item_and_the_reference_is_first(run):
    done = run("-v", "-p", "no:cacheprovider")
    assert done.returncode == 1, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if "::" in line and "[" in line]
    assert [line.split("::")[1].split()[0] for line in lines] == [
        "ort-amd64-native", "ort-amd64-native", "ort-s390x-ssh://z", "ort-s390x-qemu",
    ]  # fmt: skip


def test_a_failure_is_the_verdict_and_no_traceback(run):
    done = run("-p", "no:cacheprovider")
    assert "crash: ended by SIGSEGV\nlog: /the/log" in done.stdout
    assert "plugin.py" not in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["-k", "silero and s390x"], ["silero-s390x"]),
        (["-m", "target(name='s390x')"], ["broken-s390x", "silero-s390x"]),
        (["-m", "runner(name='native') and model(name='broken')"], ["broken-amd64"]),
        (["-m", "task(name='image')"], []),
        (["--collect-only"], []),
    ],
)
def test_what_is_left_out_is_not_run(run, arguments, asked):
    assert run("-p", "no:cacheprovider", *arguments).asked == asked


def test_lf_asks_for_what_failed(run):
    run()
    assert run("--lf").asked == ["broken-s390x"]


def test_workers_of_xdist_share_one_session(run):
    done = run("-p", "no:cacheprovider", "-n", "2", "-k", "silero")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert done.asked == ["silero-amd64", "silero-s390x"]


def test_a_session_that_ends_early_is_said_by_each_that_waits(run):
    done = run("-p", "no:cacheprovider", without=["silero-s390x"], error="docker: no daemon")
    assert "docker: no daemon" in done.stdout
    assert "2 failed, 2 passed" in done.stdout
    assert "Traceback" not in done.stdout
