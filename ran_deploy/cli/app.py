"""The ``ran-deploy`` command: one verb for each public function."""

import importlib
import sys
import traceback
from typing import Annotated

import typer
from typer.exceptions import TyperException

from ran_deploy import __version__
from ran_deploy.cli.output import emit_error, note
from ran_deploy.cli.streams import prepare_streams
from ran_deploy.errors import RanDeployError, UsageError

_HELP = "Residual Attention Networks from trained weights to engines that a service can trust."
_PANELS = {
    "Make": ("deploy", "train", "experiment", "export", "quantize", "build"),
    "Measure": ("verify", "rebuild", "eval", "bench", "compare", "pareto", "profile", "sensitivity", "inspect"),
    "Use": ("predict", "explain", "serve", "package"),
    "Look up": ("archs", "data", "doctor"),
}
_WITHOUT_ARGUMENTS = ("archs", "doctor")
"""Verbs that do their work without any; the others then print their help."""

INTERRUPTED = 130
"""The exit code of Ctrl-C; typer itself turns the exception into it."""

app = typer.Typer(name="ran-deploy", no_args_is_help=True, pretty_exceptions_enable=False, help=_HELP)


def _version(value: bool) -> None:
    if value:
        sys.stdout.write(f"ran-deploy {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Residual Attention Networks from trained weights to engines that a service can trust."""


def _register() -> None:
    for panel, verbs in _PANELS.items():
        for verb in verbs:
            module = importlib.import_module(f"ran_deploy.cli.{verb}")
            bare = verb in _WITHOUT_ARGUMENTS
            register = app.command(verb, rich_help_panel=panel, epilog=module.EPILOG, no_args_is_help=not bare)
            register(getattr(module, f"{verb}_command"))


_register()


def main() -> None:
    """Run the command line and exit with the documented code."""
    prepare_streams()
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; errors become one line of cause and one of fix."""
    as_json, debug = "--json" in arguments, "--debug" in arguments
    try:
        code = app(arguments, prog_name="ran-deploy", standalone_mode=False)
        sys.stdout.flush()  # a result that cannot be written is an error, too
    except RanDeployError as error:
        if debug:
            traceback.print_exc()
        emit_error(error, as_json=as_json)
        return error.exit_code
    except TyperException as error:
        return _refuse(error, arguments, as_json=as_json)
    except typer.Abort:
        code = INTERRUPTED
    except SystemExit as error:
        if not isinstance(error.__context__, BrokenPipeError):
            raise
        # typer takes any broken pipe for that of stdout, whose reader may leave (see streams.py), and says nothing.
        return _failed_inside(error.__context__, as_json=as_json, debug=debug)
    except Exception as error:
        return _failed_inside(error, as_json=as_json, debug=debug)
    if code == INTERRUPTED:
        note("interrupted; nothing was left half written")
    return code if isinstance(code, int) else 0


def _failed_inside(error: BaseException, *, as_json: bool, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    problem = RanDeployError(
        f"ran-deploy failed inside: {type(error).__name__}: {error}",
        fix="Please report this; run again with `ran-deploy --debug …` for the traceback.",
    )
    emit_error(problem, as_json=as_json)
    return problem.exit_code


def _refuse(error: TyperException, arguments: list[str], *, as_json: bool) -> int:
    # Choices are listed on lines of their own; pydantic, which converts the values, puts its own words first.
    message = " ".join(error.format_message().split()).replace(": Value error, ", ": ")
    verb = next((argument for argument in arguments if not argument.startswith("-")), "")
    known = any(verb in verbs for verbs in _PANELS.values())
    if message:  # empty: the help was printed for a command without arguments
        problem = UsageError(message, fix=f"See: ran-deploy {verb} --help" if known else "See: ran-deploy --help")
        emit_error(problem, as_json=as_json)
    return UsageError.exit_code


if __name__ == "__main__":
    main()
