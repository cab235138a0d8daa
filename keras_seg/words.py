"""Numbers and lists in sentences."""

import difflib
from collections.abc import Iterable

__all__ = ["count", "did_you_mean", "duration", "listed"]


def count(number: int, what: str) -> str:
    """A number of things, in the singular or plural.

    Example:

    >>> count(1, "image"), count(3, "image")
    ('1 image', '3 images')
    """
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Returns " Did you mean …?" with the nearest word, or nothing.

    Example:

    >>> did_you_mean("epoch", ["epochs", "seed"])
    " Did you mean 'epochs'?"
    """
    near = difflib.get_close_matches(str(word).lower(), list(words), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def duration(seconds: float) -> str:
    """A duration in seconds, minutes or hours.

    Example:

    >>> duration(59.6), duration(600), duration(9000)
    ('60 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def listed(names: Iterable, most: int = 5) -> str:
    """The first names of many, and the number of the others.

    Example:

    >>> listed(["a", "b"]), listed(["a", "b", "c", "d"], most=2)
    ('a, b', 'a, b and 2 more')
    """
    texts = list(map(str, names))
    rest = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {rest} more" if rest > 0 else "")
