"""The option that gives masks other ids."""

from keras_seg.data.classes import VOID

__all__ = ["from_one", "without_gaps"]

_LONGEST = 32  # values in a command; nobody types more


def from_one(found, survey):
    """The fix for ids that start at 1: each becomes one less.

    Args:
        found: set of int, the ids that the masks have.
        survey: `Survey`.

    Returns:
        Str, what to do.
    """
    ids = sorted(found - survey.void_ids)
    return _option({i: i - 1 for i in ids}, found, survey)


def without_gaps(found, survey):
    """The fix for ids with gaps, such as gray levels: 0 and on, in order.

    Args:
        found: set of int, the ids that the masks have.
        survey: `Survey`.

    Returns:
        Str, what to do.
    """
    ids = sorted(found - survey.void_ids)
    return _option({i: rank for rank, i in enumerate(ids)}, found, survey)


def _option(values, found, survey):
    if len(values) > _LONGEST or survey.mapped:
        return "number the ids from 0 without a gap"
    values |= {i: VOID for i in sorted(found & survey.void_ids)}
    text = ",".join(f"{value}:{index}" for value, index in values.items())
    return f"read the masks with --mask-values {text}"
