"""What is shown while work goes on."""

import io

from rich.console import Console

from zport.progress import Progress, last_line


def test_the_last_line_of_a_log_is_what_it_says_last(tmp_path):
    log = tmp_path / "log"
    assert last_line(log) == ""
    log.write_bytes(b"x" * 5000 + b"\n[1/2] one\n[2/2] two \xff\n\n  \n")
    assert last_line(log) == "[2/2] two \ufffd"


def test_running_work_shows_what_its_log_says(workspace):
    screen = io.StringIO()
    progress = Progress(Console(file=screen, width=80), workspace, "run")
    with progress.work("leaf", "wheel     leaf", expected=9):
        log = progress.log("leaf")
        log.parent.mkdir(parents=True)
        log.write_text("[7/9] Compiling C object " + "leaf/" * 30)
        progress.console.print(progress._render())
    lines = screen.getvalue().splitlines()
    assert "wheel     leaf  0 of about 9 s" in lines[0]
    assert lines[1].startswith("    [7/9] Compiling")
    assert lines[1].endswith("…")
    assert "done" in lines[2]
