"""Signals as a process at a terminal has them: in the background of a script, interrupts are ignored."""

import signal

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def hear(*ignored: signal.Signals) -> None:
    """Hear what ends a process, but for what is to be ignored; what a new process does first."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)
