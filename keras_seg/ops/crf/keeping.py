"""Tables that are kept as long as the lattice they are made of."""

import weakref

__all__ = ["kept"]

_KEPT: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def kept(weighted, make):
    """Returns `make(weighted)`, made once.

    A lattice of positions serves every image of a size, and so do its tables;
    those of an image go with it.

    Args:
        weighted: `WeightedLattice`.
        make: function of it, always the same for one lattice.
    """
    if weighted not in _KEPT:
        _KEPT[weighted] = make(weighted)
    return _KEPT[weighted]
