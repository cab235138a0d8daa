"""`keras-seg train` on several devices, and on several machines."""

import dataclasses
import pathlib
import shlex
import socket
import sys
from typing import Any
from typing import Self

import typer

from keras_seg.cli import console

__all__ = ["DEVICES", "Place", "engine_for"]

# Parameters of `keras-seg train`.
DEVICES = ("devices", "process", "coordinator", "hosts")
PORT = 29500


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a command trains.

    Attributes:
        devices: int, or `"all"`, of this machine.
        number: int, of this machine, from 0.
        machines: int.
        coordinator: str, `"address:port"` of machine 0; None for one machine.
    """

    devices: int | str = "all"
    number: int = 0
    machines: int = 1
    coordinator: str | None = None

    @classmethod
    def of(
        cls,
        devices: str | None,
        process: str | None,
        coordinator: str | None,
        hosts: pathlib.Path | None,
    ) -> Self | None:
        """Reads the options; None without any of them.

        Example:

        >>> Place.of("2", "1/4", "node0:29500", None)
        Place(devices=2, number=1, machines=4, coordinator='node0:29500')
        """
        chosen: Any = "all"
        if devices is not None and devices != "all":
            if not (devices.isdecimal() and int(devices) > 0):
                raise _bad("--devices", "is a number, or all", devices)
            chosen = int(devices)
        if hosts is not None:
            if process or coordinator:
                raise typer.BadParameter(
                    "takes the place of --process and --coordinator.",
                    param_hint="--hosts",
                )
            number, names = _own_line(hosts)
            return cls(chosen, number, len(names), names[0])
        if (process is None) != (coordinator is None):
            raise typer.BadParameter(
                "go together.", param_hint="--process and --coordinator"
            )
        if process is None:
            return None if devices is None else cls(chosen)
        one, _, count = process.partition("/")
        numbers = one.isdecimal() and count.isdecimal()
        if not (numbers and int(one) < int(count)):
            raise _bad("--process", "is I/N, from 0/N to N-1/N", process)
        address, _, port = str(coordinator).rpartition(":")
        if not (address and port.isdecimal()):
            raise _bad("--coordinator", "is ADDRESS:PORT", coordinator)
        return cls(chosen, int(one), int(count), coordinator)


def _bad(option: str, what: str, received: Any) -> typer.BadParameter:
    return typer.BadParameter(
        f"{what}. Received: {received}", param_hint=option
    )


def _own_line(path: pathlib.Path) -> tuple[int, list[str]]:
    """The number of this machine, and the addresses of all."""
    lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    names = [line for line in lines if line and not line.startswith("#")]
    if not names:
        raise _bad("--hosts", "names no machine", path)
    own = {socket.gethostname(), socket.getfqdn()}
    own |= {name.split(".")[0] for name in own}
    found = [n for n, name in enumerate(names) if name.split(":")[0] in own]
    if len(found) != 1:
        raise typer.BadParameter(
            f"{path} must have one line for this machine, "
            f"{' or '.join(sorted(own))}. Or say which one it is by --process "
            f"and --coordinator. Received: {', '.join(names)}",
            param_hint="--hosts",
        )
    first = names[0] if ":" in names[0] else f"{names[0]}:{PORT}"
    return found[0], [first, *names[1:]]


def engine_for(place: Place, run: pathlib.Path) -> Any:
    """Returns the engine of this process.

    Where each device has a process, this one begins those of this machine,
    waits for them, and exits as they do.

    Args:
        place: `Place`.
        run: path of the run folder, for how to go on.
    """
    import keras

    from keras_seg import distributed
    from keras_seg.distributed import processes

    member = processes.place_in_group()
    if member is not None:
        process, address = member
        devices = 1 if keras.config.backend() == "torch" else place.devices
        return distributed.distribute(
            devices, process=process, coordinator=address
        )
    count = distributed.processes_here(place.devices)
    if place.coordinator is None and count == 1:
        return distributed.distribute(place.devices)
    address = place.coordinator or processes.free_address()
    first = place.number * count
    try:
        code = processes.run_processes(
            [sys.executable, "-m", "keras_seg.cli", *sys.argv[1:]],
            range(first, first + count),
            place.machines * count,
            address,
        )
    except (KeyboardInterrupt, ValueError):
        if run.exists():
            quoted = shlex.quote(str(run))
            console.complain(f"Go on: keras-seg train --resume {quoted}")
        raise
    raise typer.Exit(code)
