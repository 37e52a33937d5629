"""Common code of the commands `python -m rnc.…` and `python -m train.…`: their exit codes and their safe output."""

import os
import sys
import unicodedata
from collections.abc import Callable
from typing import NoReturn, TextIO

from rnc.interrupt_while_loading import raise_on_ctrl_c_again

OUTPUT_CLOSED = 128 + 13
"""The exit code that shells use for a program whose output is no longer read (SIGPIPE)."""
INTERRUPTED = 128 + 2
"""The exit code after Ctrl-C (SIGINT)."""


def run_command(main: Callable[[list[str]], int]) -> NoReturn:
    """Run a command's `main` on the arguments of the process, and exit with the code that it returns.

    If the reader of the output has closed it (`… | head`) or the user presses Ctrl-C, the command ends without a traceback
    and with the usual exit codes, 141 and 130.
    """
    code: int | str | None
    try:
        raise_on_ctrl_c_again()
        try:
            code = main(sys.argv[1:])
        except SystemExit as exit_request:  # for example from --help
            code = exit_request.code
        sys.stdout.flush()  # raises here, since an error at Python's own closing of the stream cannot be caught
    except BrokenPipeError:
        _discard_output()
        code = OUTPUT_CLOSED
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)


def _discard_output() -> None:
    """Redirect the output that is still buffered to the null device, since closing the stream would fail again."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def print_escaped(text: object, file: TextIO | None = None) -> None:
    """Print a line that may contain texts from a store, to standard output or the given stream; see `printable`."""
    print(printable(str(text)), file=sys.stdout if file is None else file)


def fail(reason: object, code: int) -> int:
    """Print `error: REASON` as one line on standard error; return the exit code."""
    print_escaped(f"error: {' '.join(str(reason).split()) or type(reason).__name__}", sys.stderr)
    return code


def printable(text: str) -> str:
    """Return a text for a terminal: control, formatting and unpaired surrogate characters become escapes.

    A terminal takes such characters as commands, for example to set colours, the window title or the clipboard. Line breaks
    become escapes, too, so that one line of output cannot be mistaken for two.
    """
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    is_invisible = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    return character.encode("unicode_escape").decode() if is_invisible else character
