"""Ctrl-C while a command loads its libraries ends the process at once.

Python raises KeyboardInterrupt wherever the program is. While torch is imported, some of its code ignores every error, also this
one, and the command would go on: a training could not be stopped in its first seconds. Nothing has begun by then that would have
to be completed, so the system's own way to end the process is enough.
"""

import signal
import threading


def end_at_once_on_ctrl_c() -> None:
    """Let SIGINT end this process without KeyboardInterrupt, unless it is ignored or handled in another way.

    A command calls it before it imports torch.
    """
    if threading.current_thread() is threading.main_thread() and (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def raise_on_ctrl_c_again() -> None:
    """Let SIGINT raise KeyboardInterrupt again, if `end_at_once_on_ctrl_c` has changed that."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
