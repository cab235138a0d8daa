# %% [markdown]
# # 2 · Up-sampling by hand
#
# A network makes its maps small, to see much of the image at little cost, and
# the result must be as large as the image again. This tutorial goes through
# the ways back, each on a map of four numbers, so that every value can be
# checked with pencil and paper.
#
# You need `pip install "keras-seg[tensorflow,viz]"` (or `jax`, or `torch`). It
# runs in seconds.

# %%
import pathlib

import keras
import matplotlib.pyplot as plt
import numpy as np

from keras_seg import layers

OUT = pathlib.Path("tutorial_02")  # where the pictures go
OUT.mkdir(exist_ok=True)


def batch(rows):
    """Rows of numbers as a batch of one map with one channel."""
    return np.array(rows, "float32")[None, ..., None]


def plane(tensor):
    """The map of a batch of one, with whole numbers where they are whole."""
    values = keras.ops.convert_to_numpy(tensor)[0, ..., 0]
    whole = values.astype(int)
    return whole if np.array_equal(whole, values) else values


def show(name, maps, limit=None):
    """Draws maps with their numbers, side by side, and saves them."""
    # With a limit: from minus it, red, over zero, white, to the limit, blue.
    colors = {"cmap": "Blues"}
    if limit:
        colors = {"cmap": "RdBu", "vmin": -limit, "vmax": limit}
    figure, axes = plt.subplots(
        1,
        len(maps),
        figsize=(2.7 * len(maps), 3),
        layout="constrained",
        squeeze=False,
    )
    for axis, (title, values) in zip(axes[0], maps.items(), strict=True):
        axis.imshow(values, alpha=0.6, **colors)
        axis.set_title(title)
        axis.axis("off")
        for (row, column), value in np.ndenumerate(values):
            axis.text(column, row, f"{value:g}", ha="center", va="center")
    figure.savefig(OUT / f"{name}.png")


# %% [markdown]
# ## Nearest neighbor and bed of nails
#
# Twice as many rows and columns: each number gets a cell of 2×2. *Nearest
# neighbor* fills the cell with it. *Bed of nails* puts it at the top left and
# leaves the rest of the cell zero.

# %%
small = batch([[1, 2], [3, 4]])
nearest = plane(layers.NearestUpsampling(2)(small))
nails = plane(layers.BedOfNails(2)(small))
print(nearest)
print(nails)
assert nails.sum() == 10 and nearest.sum() == 40
show(
    "nearest_and_nails",
    {"map": plane(small), "nearest neighbor": nearest, "bed of nails": nails},
)

# %% [markdown]
# ## Bilinear
#
# Blocks have hard edges. *Bilinear* interpolation mixes the four nearest
# numbers. Where a new pixel lies between them, each one's weight is the area of
# the rectangle on the *opposite* side of the pixel, which is the same as the
# product of two distances.
#
# A pixel is a square, and its value belongs to its center. When the map is
# doubled, the center of the second new row lies at 0.25 between the old rows 0
# and 1, and so does the second new column:

# %%
bilinear = plane(layers.BilinearUpsampling(2)(small))
print(bilinear)

down = right = 0.25  # how far the new pixel (1, 1) is from the old (0, 0)
by_area = (
    (1 - down) * (1 - right) * 1  # a number, times the area opposite to it
    + (1 - down) * right * 2
    + down * (1 - right) * 3
    + down * right * 4
)
upper = 1 + right * (2 - 1)  # along the upper row
lower = 3 + right * (4 - 3)  # along the lower row
by_distance = upper + down * (lower - upper)
print(by_area, by_distance, bilinear[1, 1])
assert by_area == by_distance == bilinear[1, 1] == 1.75

# %% [markdown]
# Some networks put the centers of the outer pixels on top of each other instead
# (`align_corners`): two rows become three, and the new one lies half-way.
# [Corners and centers](../explanation/corners_and_centers) says which network
# wants which.

# %%
aligned = plane(layers.AlignedScale(2)(small))
print(aligned)
show(
    "bilinear",
    {"map": plane(small), "bilinear": bilinear, "corners aligned": aligned},
)

# %% [markdown]
# ## Max-unpooling
#
# All of these forget where in its cell a number came from. Max-pooling chose
# it, so it could remember: `MaxPoolWithIndices` returns the maxima and where
# they were, counted through the map row by row. `MaxUnpool` puts numbers back
# to these places. SegNet and DeconvNet are built on this pair.

# %%
fine = batch([[1, 2, 6, 3], [3, 5, 2, 1], [1, 2, 2, 1], [7, 3, 4, 8]])
pooled, indices = layers.MaxPoolWithIndices(2)(fine)
print(plane(pooled))
print(plane(indices))

# Between the two, a network changes the numbers. The places stay.
changed = batch([[1, 2], [3, 4]])
unpooled = plane(layers.MaxUnpool(2)(changed, indices))
print(unpooled)
assert unpooled.sum() == 10 and unpooled[1, 1] == 1 and unpooled[3, 3] == 4
show(
    "unpooling",
    {
        "before pooling": plane(fine),
        "its maxima": plane(pooled),
        "what comes back": plane(changed),
        "unpooled": unpooled,
    },
)

# %% [markdown]
# ## Transposed convolution, without overlaps
#
# Nothing so far can be *learned*. A transposed convolution can: every number of
# the map paints its copy of a kernel into the output, multiplied by that
# number. The stride says how far apart the copies are. With a kernel of 2×2
# and stride 2 they lie side by side.

# %%
coarse = batch([[4, 2], [1, 5]])
kernel = np.array([[2, 4], [-4, -2]], "float32")


def transposed(inputs, kernel, strides):
    """Keras's transposed convolution of one channel to one channel."""
    return keras.ops.conv_transpose(
        inputs, kernel[..., None, None], strides=strides, padding="valid"
    )


side_by_side = plane(transposed(coarse, kernel, strides=2))
print(side_by_side)
assert side_by_side.tolist() == [
    [8, 16, 4, 8],
    [-16, -8, -8, -4],
    [2, 4, 10, 20],
    [-4, -2, -20, -10],
]

# %% [markdown]
# The four copies, one picture each, and their sum:


# %%
def copies(inputs, kernel, strides):
    """What each number of the map paints, and where."""
    numbers = plane(inputs)
    size = [(n - 1) * strides + len(kernel) for n in numbers.shape]
    painted = []
    for (row, column), number in np.ndenumerate(numbers):
        canvas = np.zeros(size)
        top, left = strides * row, strides * column
        canvas[top : top + len(kernel), left : left + len(kernel)] = (
            number * kernel
        )
        painted.append(canvas)
    return painted


painted = copies(coarse, kernel, strides=2)
assert np.array_equal(sum(painted), side_by_side)
names = [f"{number:g} × kernel" for number in coarse.ravel()]
show(
    "transposed_2x2",
    {**dict(zip(names, painted, strict=True)), "sum": side_by_side},
    limit=20,
)

# %% [markdown]
# ## Transposed convolution, with overlaps
#
# With a kernel of 3×3 and stride 1 the copies lie on top of each other. Where
# they overlap, they are added up. The output has (2 − 1) · 1 + 3 = 4 rows: the
# steps between the copies, and one kernel.

# %%
kernel = np.array([[1, 2, -1], [2, 1, 2], [-1, 2, 1]], "float32")
overlapping = plane(transposed(coarse, kernel, strides=1))
print(overlapping)

painted = copies(coarse, kernel, strides=1)
assert np.array_equal(sum(painted), overlapping)
assert overlapping.tolist() == [
    [4, 10, 0, -2],
    [9, 15, 19, -1],
    [-2, 17, 15, 12],
    [-1, -3, 11, 5],
]
show(
    "transposed_3x3",
    {**dict(zip(names, painted, strict=True)), "sum": overlapping},
    limit=20,
)

# %% [markdown]
# Take the second row, second column: 4 × 1 from the first copy, 2 × 2 from the
# second, 1 × 2 from the third and 5 × 1 from the fourth make 15.
#
# How many copies lie on each pixel? Below, on a map of 4×4: with stride 1 nine
# inside, and one at the corners. With stride 2 and a kernel of 3×3 the number
# changes from pixel to pixel, which is where the checkerboards in the output of
# such networks come from. A kernel twice as large as the stride has the same
# number everywhere inside.

# %%
ones = batch(np.ones((4, 4)))
counts = {
    f"{size}×{size}, stride {strides}": plane(
        transposed(ones, np.ones((size, size), "float32"), strides)
    )
    for size, strides in ((3, 1), (3, 2), (4, 2))
}
show("overlaps", counts)

# %% [markdown]
# ## Two names for one thing
#
# A transposed convolution is a bed of nails and then an ordinary convolution,
# whose kernel is turned by 180 degrees. The nails are as far apart as the
# stride; the border is padded, so that each copy of the kernel fits.

# %%
padded = np.pad(
    keras.ops.convert_to_numpy(layers.BedOfNails(1)(coarse)),
    [(0, 0), (2, 2), (2, 2), (0, 0)],
)
turned = kernel[::-1, ::-1].copy()[..., None, None]
again = plane(keras.ops.conv(padded, turned, padding="valid"))
print(again)
assert np.array_equal(again, overlapping)

# %% [markdown]
# And bilinear interpolation is a transposed convolution with one particular
# kernel. FCN starts from this kernel and learns from there:
# `BilinearConvTranspose`. It fades at the border, where there is nothing to
# mix with, and inside it is the interpolation from above.

# %%
layer = layers.BilinearConvTranspose(factor=2)
faded = plane(layer(small))
tent = keras.ops.convert_to_numpy(layer.kernel).reshape(4, 4)
print(tent)
assert np.allclose(faded[1:3, 1:3], bilinear[1:3, 1:3])
show(
    "bilinear_kernel",
    {"kernel": tent, "of the map": faded, "bilinear": bilinear},
)

# %% [markdown]
# ## Exercises
#
# 1. Which kernel, with stride 2, makes nearest-neighbor up-sampling a
#    transposed convolution? Which one makes a bed of nails?
# 2. FCN-32 goes from 7×7 to 224×224 in one step, by a transposed convolution of
#    64×64 and stride 32. How large is its output before it is cropped?
# 3. Max-pool a photograph by 2, four times, and bring it back with nearest
#    neighbor and with max-unpooling. Which of them has its edges in the right
#    places?

# %% tags=["hide-cell"]
# 1. Ones, and a single one at the top left.
ones = np.ones((2, 2), "float32")
nail = np.array([[1, 0], [0, 0]], "float32")
assert np.array_equal(plane(transposed(small, ones, 2)), nearest)
assert np.array_equal(plane(transposed(small, nail, 2)), nails)

# %% tags=["hide-cell"]
# 2. Six steps of 32 and one kernel: 256. 16 are cut off on each side.
print((7 - 1) * 32 + 64)
print(
    layers.BilinearConvTranspose(
        factor=32, padding="valid"
    ).compute_output_shape((1, 7, 7, 1))
)

# %% tags=["hide-cell"]
# 3. Max-unpooling: each value is back where it came from. What is between
# stays black, which is why SegNet has convolutions behind it.
rows, columns = np.indices((64, 64))
disk = batch(200.0 * (np.hypot(rows - 30, columns - 37) < 21) + rows)
maps, places = disk, []
for _ in range(4):
    maps, indices = layers.MaxPoolWithIndices(2)(maps)
    places.append(indices)
unpooled = nearest = maps
for indices in reversed(places):
    unpooled = layers.MaxUnpool(2)(unpooled, indices)
    nearest = layers.NearestUpsampling(2)(nearest)
figure, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
titles = "image", "nearest neighbor", "max-unpooling"
for axis, title, picture in zip(
    axes, titles, (disk, nearest, unpooled), strict=True
):
    axis.imshow(plane(picture), cmap="gray")
    axis.set_title(title)
    axis.axis("off")
figure.savefig(OUT / "four_pools.png")
