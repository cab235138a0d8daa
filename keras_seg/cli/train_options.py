"""Options of `keras-seg train` that are more than a number."""

import json

import typer

__all__ = ["parse_crop", "parse_option", "refuse_options"]


def parse_crop(text):
    """Returns "240x320" as (240, 320), "256" as (256, 256), "none" as None.

    Example:

    >>> parse_crop("240x320"), parse_crop("256"), parse_crop("none")
    ((240, 320), (256, 256), None)
    """
    if text.lower() == "none":
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise typer.BadParameter(
            "a crop is a side such as 256, a height and a width such as "
            f"240x320, or none. Received: {text}",
            param_hint="--crop",
        )
    return int(sides[0]), int(sides[-1])


def parse_option(text):
    """Returns "filters=32" as ("filters", 32).

    Example:

    >>> parse_option("dropout=0.1"), parse_option("name=a b")
    (('dropout', 0.1), ('name', 'a b'))
    """
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise typer.BadParameter(
            f"an option is NAME=VALUE, such as filters=32. Received: {text}",
            param_hint="--option",
        )
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def refuse_options(ctx, allowed, reason):
    """Refuses options that were given beside one that leaves no room.

    Args:
        ctx: `typer.Context`.
        allowed: names of the parameters that may be given.
        reason: str, the rest of a sentence that begins with the option.

    Raises:
        typer.BadParameter: if another one was given.
    """
    for parameter in ctx.command.params:
        source = ctx.get_parameter_source(parameter.name)
        given = source is not None and source.name == "COMMANDLINE"
        if given and parameter.name not in allowed:
            raise typer.BadParameter(
                reason, param_hint=parameter.opts[0], ctx=ctx
            )
