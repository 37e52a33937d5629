"""The frame of the commands `python -m rnc.…` and `python -m train.…`: how they end, and how they print strangers' texts."""

import os
import sys
import unicodedata
from collections.abc import Callable
from typing import NoReturn, TextIO

READER_GONE = 128 + 13
"""The exit code of a program whose output nobody reads any more (SIGPIPE), as shells have it."""
INTERRUPTED = 128 + 2
"""The exit code after Ctrl-C (SIGINT)."""


def run_command(main: Callable[[list[str]], int]) -> NoReturn:
    """Run a command's `main` on the process's arguments, and exit with the code that it returns.

    Where whoever reads the output has gone (`… | head`), or Ctrl-C is pressed, it ends without a traceback, with the exit
    codes that are usual for that: 141 and 130.
    """
    code: int | str | None
    try:
        try:
            code = main(sys.argv[1:])
        except SystemExit as asked:  # (of --help, say)
            code = asked.code
        sys.stdout.flush()  # (else the error would come when Python closes the stream, where nobody can catch it)
    except BrokenPipeError:
        _discard_output()
        code = READER_GONE
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)


def _discard_output() -> None:
    """Let what is still buffered go nowhere, so that closing the stream does not fail again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def say(text: object, file: TextIO | None = None) -> None:
    """Print a line, on standard output or the given stream, in which texts from stores may stand: see `printable`."""
    print(printable(str(text)), file=sys.stdout if file is None else file)


def fail(reason: object, code: int) -> int:
    """Print `error: REASON` as one line on standard error; return the exit code."""
    say(f"error: {' '.join(str(reason).split()) or type(reason).__name__}", sys.stderr)
    return code


def printable(text: str) -> str:
    """Return a text for a terminal: control, formatting and unpaired surrogate characters are written as escapes.

    A terminal takes such characters as commands (colours, the window's title, what the clipboard holds); line breaks are
    escapes, too, since a line of output must not be able to look like another one.
    """
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    return character.encode("unicode_escape").decode() if hidden else character
