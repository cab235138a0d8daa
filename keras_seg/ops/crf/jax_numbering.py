"""Vertices numbered by their keys with JAX, in room for any lattice."""

import jax.numpy as jnp
from jax import lax

from keras_seg.ops.crf.jax_rows import capacities
from keras_seg.ops.crf.jax_rows import shapes

__all__ = ["number_vertices"]

# Vertices whose neighbours are searched at once: few steps, and together
# not much longer than the lattice is large.
_SEARCHED = 2**16


def number_vertices(keys, weights):
    """Numbers the vertices; the sizes of all tables are known beforehand.

    Args:
        keys: `GraphKeys`.
        weights: float32 array `(d + 1, points)`, by colour.

    Returns:
        What `arrays` of the kernel makes with room for any lattice, of
        weights that are not normalised.
    """
    colours, points = weights.shape
    rooms = capacities(points, colours)
    room = rooms[0]
    low, high = keys.words
    order = lax.broadcasted_iota(jnp.int32, low.shape, 1)
    high, low, order = lax.sort((high, low, order), num_keys=2)
    offsets = jnp.arange(colours, dtype=jnp.int32)[:, None] * points
    entries = (order + offsets).ravel()
    # The colour is the most significant digit: its rows follow each other.
    words = jnp.stack([low.ravel(), high.ravel()])
    first = (words[:, 1:] != words[:, :-1]).any(axis=0)
    first = jnp.concatenate([jnp.ones(1, bool), first])
    number = jnp.cumsum(first, dtype=jnp.int32) - 1
    # After the last follows what is more than any key.
    unique = jnp.full((2, room), jnp.iinfo(jnp.int32).max, jnp.int32)
    unique = unique.at[:, number].set(words)
    size, of_colour_0 = number[-1] + 1, number[points - 1] + 1
    vertices = jnp.zeros_like(entries).at[entries].set(number)
    vertices = vertices.reshape(colours, points).T
    known = shapes(points, colours, False)
    (_, taps), _ = known["rows"]
    (whole, _), _ = known["vertices"]
    beyond = ((0, whole - points), (0, 0))
    points_and_weights = order.ravel(), weights.ravel()[entries]
    return {
        "size": size,
        **_rows(number, first, *points_and_weights, rooms, taps),
        "neighbours": _neighbours(unique, size, of_colour_0, keys.steps),
        "vertices": jnp.pad(vertices, beyond),
        "slice_weights": jnp.pad(weights.T, beyond),
    }


def _rows(number, first, order, weights, rooms, taps):
    """The points of each vertex: its first row, and all further ones."""
    room, further_room = rooms
    entry = jnp.arange(len(number), dtype=jnp.int32)
    starts = jnp.zeros(room, jnp.int32)
    starts = starts.at[jnp.where(first, number, room)].set(entry, mode="drop")
    nth, column = jnp.divmod(entry - starts[number], taps)
    begins = (nth > 0) & (column == 0)
    further = jnp.cumsum(begins, dtype=jnp.int32)
    row = jnp.where(nth == 0, number, room + further - 1)
    place = row * taps + column
    rows = jnp.zeros((room + further_room) * taps, jnp.int32)
    rows = rows.at[place].set(order).reshape(-1, taps)
    row_weights = jnp.zeros(rows.size, jnp.float32)
    row_weights = row_weights.at[place].set(weights).reshape(-1, taps)
    vertices = jnp.full(further_room, number[-1] + 1)
    place = jnp.where(begins, further - 1, further_room)
    return {
        "rows": rows[:room],
        "row_weights": row_weights[:room],
        "further": further[-1],
        "further_rows": rows[room:],
        "further_weights": row_weights[room:],
        "further_vertices": vertices.at[place].set(number, mode="drop"),
    }


def _neighbours(unique, size, of_colour_0, steps):
    """One step along an axis leads from a colour to the one before."""
    above, zero = (jnp.stack(words) for words in zip(*steps, strict=True))
    colours, room = zero.shape[1], unique.shape[1]
    count = min(_SEARCHED, room)
    axis = jnp.arange(colours)[:, None]

    def search(turn, neighbours):
        start = jnp.minimum(turn * count, room - count)
        here = start + jnp.arange(count, dtype=jnp.int32)
        own = lax.dynamic_slice_in_dim(unique, start, count, axis=1)
        step = jnp.where(here < of_colour_0, zero, above)
        wanted = own[:, None] + step
        there = _count_less(unique, wanted)
        found = (unique[:, there] == wanted).all(axis=0) & (here < size)
        there = jnp.where(found, there, size)
        neighbours = lax.dynamic_update_slice_in_dim(
            neighbours, there[..., None], start, axis=1
        )
        # A vertex that no step leads to is written to by none.
        there = jnp.where(found, there, room)
        return neighbours.at[axis, there, 1].set(here, mode="drop")

    turns = (size + count - 1) // count
    neighbours = jnp.full((colours, room, 2), size)
    return lax.fori_loop(0, turns, search, neighbours)


def _count_less(unique, wanted):
    """How many of the sorted keys are less, found by halving."""
    room = unique.shape[1]
    steps = room.bit_length()

    def halve(turn, less):
        more = less + (1 << (steps - 1) >> turn)
        low, high = unique[:, jnp.minimum(more, room) - 1]
        smaller = (high < wanted[1]) | ((high == wanted[1]) & (low < wanted[0]))
        return jnp.where(smaller & (more <= room), more, less)

    return lax.fori_loop(0, steps, halve, jnp.zeros_like(wanted[0]))
