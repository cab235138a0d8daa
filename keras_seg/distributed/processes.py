"""Processes of this machine that train one model: begun, watched, ended."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from collections.abc import Sequence
from typing import IO

from keras_seg.runs.files import RunError

__all__ = [
    "OthersLost",
    "free_address",
    "lost_others",
    "place_in_group",
    "run_processes",
]

# Number, how many, the address of the first: of a process begun here.
VARIABLE = "KERAS_SEG_PROCESS"
# Seconds in which the process that failed first is told from those that lost
# it by that.
GRACE = 3
_LOST = re.compile(
    r"\bgloo\b|nccl|connection (closed|reset)|coordination service|heartbeat",
    re.IGNORECASE,
)


class OthersLost(RunError):
    """Another process of the group has ended."""


def place_in_group() -> tuple[tuple[int, int], str] | None:
    """Where this process is in a group that `run_processes` began, or None.

    Returns:
        Tuple ((number, how many), address of the first).
    """
    text = os.environ.get(VARIABLE)
    if text is None:
        return None
    threading.Thread(target=_end_with_parent, daemon=True).start()
    number, processes, address = text.split()
    return (int(number), int(processes)), address


def _end_with_parent() -> None:
    # Not by `sys.stdin`, whose lock would be held when Python ends.
    while os.read(0, 1):
        pass
    os._exit(1)


def free_address() -> str:
    """An address of this machine with a port that is free."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{one.getsockname()[1]}"


def run_processes(
    command: Sequence[str], here: Sequence[int], processes: int, address: str
) -> int:
    """Runs a command in processes that train one model, to their end.

    The first of the group has the output of this process; of the others
    nothing is seen unless one fails. When one ends with an error, the others
    are ended.

    Args:
        command: list of str.
        here: sequence of int, the numbers of those to begin here.
        processes: int, how many there are on all machines.
        address: str, `"address:port"` of the first.

    Returns:
        int, the exit code: that of the process that failed, 0 if none did.

    Raises:
        RunError: If one was killed, or crashed.
    """
    with contextlib.ExitStack() as stack:
        begun = []
        for place, number in enumerate(here):
            said = stack.enter_context(tempfile.TemporaryFile())
            one = _begin(
                command, f"{number} {processes} {address}", place, said
            )
            stack.callback(_end, one)
            begun.append((number, one, said))
        while True:
            codes = [one.poll() for _, one, _ in begun]
            if any(codes) or None not in codes:
                break
            time.sleep(0.1)
        failed = [x for x, code in zip(begun, codes, strict=True) if code]
        for number, one, _ in failed:
            if one.returncode < 0:
                raise RunError(
                    f"Process {number} of {processes} was ended by "
                    f"{signal.Signals(-one.returncode).name}, and the others "
                    "with it."
                )
        if not failed:
            return 0
        number, one, said = failed[0]
        first = begun[0]
        if number and first[0] == 0:
            # It may be about to say the same.
            with contextlib.suppress(subprocess.TimeoutExpired):
                first[1].wait(GRACE)
        if number and not (first[0] == 0 and first[1].poll()):
            said.seek(0)
            sys.stderr.write(said.read().decode(errors="replace"))
        return one.returncode


def _begin(
    command: Sequence[str], in_group: str, place: int, said: IO[bytes]
) -> subprocess.Popen:
    is_first = in_group.startswith("0 ")
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,  # Closed with this process, whatever ends it.
        stdout=None if is_first else subprocess.DEVNULL,
        stderr=None if is_first else said,
        env={**os.environ, VARIABLE: in_group, "LOCAL_RANK": str(place)},
        start_new_session=True,
    )


def _end(process: subprocess.Popen) -> None:
    process.kill()
    process.communicate()


@contextlib.contextmanager
def lost_others() -> Iterator[None]:
    """Says so if another process of the group has ended.

    Raises:
        OthersLost: If what was raised inside comes from that.
    """
    try:
        yield
    except (RuntimeError, ValueError) as error:
        if not _LOST.search(str(error)):
            raise
        # Where they are of one machine, the other is named meanwhile.
        time.sleep(2 * GRACE)
        raise OthersLost(
            "Another process that trains this model has ended; its own "
            "machine says why. Fix: begin all of them again with --resume."
        ) from error
