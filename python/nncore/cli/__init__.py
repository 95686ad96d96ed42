"""The command line, `python -m nncore`: `info` tells what this installation has, `train` trains a network on images."""

import argparse
import sys
from collections.abc import Sequence

from nncore.data.download import DatasetNotFoundError
from nncore.data.idx import IdxError

from . import info, train

_INTERRUPTED = 130  # what a shell reports for a process that Ctrl-C ended: 128 + SIGINT


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code: 0, 1 for an error that is the user's to mend, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m nncore", description="A small, fast neural-network core.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (info, train):
        command.add_parser(commands)
    arguments = parser.parse_args(argv)
    try:
        return arguments.run(arguments)
    except (DatasetNotFoundError, IdxError, ImportError, train.UsageError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return _INTERRUPTED
