"""`convnets`: the list of commands, and how each kind of error ends."""

from __future__ import annotations

import copy
import functools
import io
import os
import sys
from typing import Annotated, Any

import typer

from convnets.cli.benchmarking.bench import bench
from convnets.cli.benchmarking.scatter import scatter
from convnets.cli.data.catalogue import data_app
from convnets.cli.explain import explain
from convnets.cli.explanation.ablate import ablate
from convnets.cli.explanation.embed_map import embed_map
from convnets.cli.explanation.features import features
from convnets.cli.explanation.filters import filters
from convnets.cli.explanation.patches import patches
from convnets.cli.inspection.diff import diff
from convnets.cli.inspection.draw import draw
from convnets.cli.inspection.field import field
from convnets.cli.inspection.health import health
from convnets.cli.inspection.models import models
from convnets.cli.inspection.summary import summary
from convnets.cli.output import mute
from convnets.cli.panels import PanelCommand
from convnets.cli.retrieval.index import index_app
from convnets.cli.selection.bias_variance import bias_variance
from convnets.cli.selection.calibrate import calibrate
from convnets.cli.selection.cross_validate import cross_validate
from convnets.cli.selection.label_errors import label_errors
from convnets.cli.selection.learning_curve import learning_curve
from convnets.cli.selection.lr_find import lr_find
from convnets.cli.selection.regularization import regularization
from convnets.cli.selection.replicate import replicate
from convnets.cli.selection.tune import tune
from convnets.cli.serving.evaluate import evaluate
from convnets.cli.serving.export import export
from convnets.cli.serving.predict import predict
from convnets.cli.serving.serve import serve
from convnets.cli.serving.studio import studio
from convnets.cli.study import study
from convnets.cli.training.compare import compare
from convnets.cli.training.recipes import recipes
from convnets.cli.training.reproduce import reproduce
from convnets.cli.training.runs import runs
from convnets.cli.training.train import train
from convnets.errors import ConvnetsError, UsageError

__all__ = ["app", "run"]

app = typer.Typer(
    name="convnets",
    help="The classic convolutional networks: train, evaluate and use them on real images.\n\n"
    "Start with: convnets train lenet_bn --data digits",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(models)
app.command()(summary)
app.command()(draw)
app.command()(field)
app.command()(diff)
app.command()(scatter)
app.add_typer(data_app, name="data")
app.command(cls=PanelCommand)(train)
app.command()(evaluate)
app.command()(health)
app.command()(calibrate)
app.command()(predict)
app.command()(serve)
app.command()(studio)
app.command()(export)
app.command()(explain)
app.command()(features)
app.command()(filters)
app.command()(patches)
app.command()(ablate)
app.command(name="embed-map")(embed_map)
app.add_typer(index_app, name="index")
app.command(cls=PanelCommand, name="cross-validate")(cross_validate)
app.command(name="label-errors")(label_errors)
app.command(cls=PanelCommand)(replicate)
app.command(cls=PanelCommand)(tune)
app.command(cls=PanelCommand, name="lr-find")(lr_find)
app.command(cls=PanelCommand, name="learning-curve")(learning_curve)
app.command(cls=PanelCommand, name="regularization")(regularization)
app.command(cls=PanelCommand, name="bias-variance")(bias_variance)
app.command()(runs)
app.command()(compare)
app.command()(recipes)
app.command()(reproduce)
app.command()(bench)
app.command()(study)


def _print_version(wanted: bool) -> None:
    if wanted:
        from convnets import __version__

        typer.echo(f"convnets {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


# Typer's own errors of usage: bad values, unknown options, missing arguments
_BAD_USAGE: type[Any] = typer.BadParameter.__bases__[0]


def run(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage, 130 interrupted, 143 terminated."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that lacks a sign such as ★ shows ? in its place
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        given = sys.argv[1:] if arguments is None else arguments
        command = _command_line(given[0] if given and given[0] in _names() else "")
        status = command(given, prog_name="convnets", standalone_mode=False)
        if status == 130:  # Typer's own answer to Ctrl-C in any command, and that of `train`
            raise KeyboardInterrupt
        if status == 143:  # of `train`, which has saved its run
            status = _complain("terminated", 143)
        if sys.stdout is not None:  # as it is where it was closed: `>&-`
            sys.stdout.flush()
    except _BAD_USAGE as error:
        status = _complain_of_usage(error)
    except ConvnetsError as error:
        status = 2 if isinstance(error, UsageError) else 1
        # of several processes one speaks; what a command line lacks, it lacks in all of them
        if not error.told and (status == 1 or _is_first()):
            status = _complain(str(error), status)
    except (KeyboardInterrupt, typer.Abort):
        status = _complain("interrupted", 130)
    except BrokenPipeError:  # whoever read our output has gone: nobody is left to tell
        mute()
        status = 1
    except OSError as error:  # such as a full disk, at any time
        where = "" if error.filename is None else f"{error.filename}: "
        status = _complain(f"{where}{error.strerror or error}", 1)
    sys.exit(status if isinstance(status, int) else 0)


@functools.cache
def _command_line(name: str) -> Any:
    """The whole command line, or all that the command `name` needs of it: Typer takes long to make 40 commands."""
    part = copy.copy(app)
    if name:
        part.registered_commands = [each for each in app.registered_commands if _name_of(each) == name]
        part.registered_groups = [each for each in app.registered_groups if each.name == name]
    return typer.main.get_command(part)


def _names() -> set[str]:
    return {*map(_name_of, app.registered_commands), *(str(each.name) for each in app.registered_groups)}


def _name_of(command: Any) -> str:
    return str(command.name or command.callback.__name__)


def _is_first() -> bool:
    return os.environ.get("RANK", "0") == "0"


def _complain(message: str, status: int) -> int:
    if status > 128 and not _is_first():  # all were asked to end, and the first one says so
        return status
    line = " ".join(message.split())
    typer.echo(f"convnets: {line}" if status > 128 else f"convnets: error: {line}", err=True)
    return status


def _complain_of_usage(error: Any) -> int:
    """One line with the way to the command's help; a command group without a command shows that help itself."""
    message, command = error.format_message(), error.ctx
    if command is not None and message == command.get_help():
        typer.echo(message, err=True)
        return 2
    remedy = "" if command is None else f"; see {command.command_path} --help"
    return _complain(message.rstrip(".?") + remedy, 2)
