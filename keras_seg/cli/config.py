"""Options of a command from a YAML file."""

import json
import pathlib
from typing import Annotated
from typing import Any

import typer

from keras_seg.words import did_you_mean
from keras_seg.words import listed

__all__ = ["Config", "config_values"]

# Given once for each value; in a file all together.
SEVERAL = {"options": "option"}
# Lists and mappings in a file, which the command takes as JSON.
STRUCTURED = ("augment",)
# Lists in a file, which the command takes with commas.
COMMAS = ("track",)


def config_values(path: pathlib.Path, names: dict[str, bool]) -> dict[str, Any]:
    """Reads the values of options from a YAML file.

    Its keys are the long names of the options with underscores, as in
    Python. Values are what follows the options: texts, numbers, `true` or
    `false`; a list stands for several values, `options` may be a mapping.

    Args:
        path: of the file.
        names: the parameters of the command, and whether each takes several
            values.

    Returns:
        Dictionary from parameters to values.

    Raises:
        ValueError: If it is no mapping, or has a key that is no option or a
            value that none can have.
    """
    from keras_seg.data.text import read_yaml

    content = read_yaml(path)
    if not isinstance(content, dict):
        raise ValueError(
            f"{path} must have a line NAME: VALUE for each option. Received: "
            f"{type(content).__name__}"
        )
    found: dict[str, Any] = {}
    for key, value in content.items():
        name = SEVERAL.get(key, key)
        if name not in names:
            known = [*names, *SEVERAL]
            raise ValueError(
                f"{path} has the key {key!r}, which is no option."
                f"{did_you_mean(key, known)} Options are: {listed(known, 99)}."
            )
        if value is None:
            raise ValueError(
                f"{path} has the key {key!r} without a value. Fix: remove the "
                "line, or write none, where the option takes that."
            )
        if isinstance(value, list | dict) and key in STRUCTURED:
            value = json.dumps(value)
        elif isinstance(value, dict) and key in SEVERAL:
            value = [f"{one}={_plain(of_it)}" for one, of_it in value.items()]
        elif isinstance(value, list) and key in COMMAS:
            value = ",".join(map(str, value))
        elif isinstance(value, list) and not names[name]:
            value = "x".join(map(str, value))  # A size: [240, 320].
        elif isinstance(value, dict):
            raise ValueError(
                f"{path} has the key {key!r} with a mapping, and the option "
                "takes a single value."
            )
        found[name] = value
    return found


def _plain(value: Any) -> str:
    """Returns a value as `--option NAME=VALUE` has it, JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _read(ctx: typer.Context, path: pathlib.Path | None) -> Any:
    if path is None:
        return None
    names = {
        parameter.name: parameter.multiple or parameter.nargs != 1
        for parameter in ctx.command.params
        if parameter.name not in ("config", "help", "resume", None)
    }
    if not path.is_file():
        raise typer.BadParameter(
            f"{path} is no file.", ctx=ctx, param_hint="--config"
        )
    try:
        ctx.default_map = config_values(path, names)
    except ValueError as error:
        raise typer.BadParameter(
            str(error), ctx=ctx, param_hint="--config"
        ) from error
    return path


Config = Annotated[
    pathlib.Path | None,
    typer.Option(
        metavar="FILE.yaml",
        help="File of options, a line NAME: VALUE each, such as epochs: 20. "
        "What is given here itself counts more.",
        show_default=False,
        callback=_read,
        is_eager=True,
    ),
]
