"""Options of `keras-seg train` that are more than a number."""

import json

import typer

__all__ = ["parse_option"]


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
