"""The command line: one module a group of commands, each a plain function."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from zport import __version__
from zport.cli import models, recipes, wheels
from zport.cli.audit import audit
from zport.cli.bake import bake
from zport.cli.bench import bench
from zport.cli.build import build
from zport.cli.ci import ci, step
from zport.cli.clean import clean
from zport.cli.diff import diff
from zport.cli.flavor import flavor
from zport.cli.matrix import matrix
from zport.cli.publish import publish_images, pull, verify_image, vulnerabilities
from zport.cli.report import report
from zport.cli.scan import scan
from zport.cli.status import status
from zport.cli.submission import submission
from zport.cli.suites import suite
from zport.cli.trace import trace
from zport.errors import HostError, ZportError

app = typer.Typer(
    name="zport",
    help="Container images for IBM Z that are proven to give the right numbers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
factory = (wheels.wheel, suite, wheels.index, wheels.graph, wheels.lock, wheels.patches)
for command in (
    build,
    matrix,
    bench,
    diff,
    trace,
    report,
    submission,
    scan,
    audit,
    status,
    *factory,
    ci,
    step,
    bake,
    flavor,
    clean,
):
    app.command()(command)
app.command("publish")(publish_images)
app.command()(pull)
app.command("verify")(verify_image)
app.command()(vulnerabilities)
app.add_typer(models.app, name="models")
app.add_typer(recipes.app, name="recipe")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"zport {__version__}")


def main() -> None:
    """Run the command line: errors become one message and their own exit status."""
    try:
        app(standalone_mode=True)
    except KeyboardInterrupt:
        sys.exit(130)
    except ZportError as problem:
        error = problem
    except OSError as problem:
        # Such as a full disk that the standard output goes to.
        error = HostError(problem.strerror or str(problem), where=problem.filename)
    else:
        return
    Console(stderr=True, highlight=False).print(f"error: {error}", style="red", soft_wrap=True,
                                                markup=False)  # fmt: skip
    sys.exit(error.exit_code)
