# %% [markdown]
# # 12 · Your own network from the layers
#
# The systems of the papers are compositions of a few layers. You can compose
# them in another way. This tutorial builds a small network from convolutions,
# holes, a pyramid of rates and pools that remember where their maxima were,
# with three different ways back up to the size of the image, and compares
# them. Each is a plain Keras model: it is trained, saved and changed like any
# other.
#
# You need `pip install "keras-seg[tensorflow,viz]"` (or `jax`, or `torch`).

# %%
import logging
import os
import pathlib

import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_seg
from keras_seg import data
from keras_seg import inference
from keras_seg import surgery
from keras_seg import visualization
from keras_seg.data import augment
from keras_seg.data import synthetic
from keras_seg.layers import ASPP
from keras_seg.layers import AtrousConv
from keras_seg.layers import BedOfNails
from keras_seg.layers import CropLike
from keras_seg.layers import MaxPoolWithIndices
from keras_seg.layers import MaxUnpool
from keras_seg.layers import ResizeLike
from keras_seg.training import recipes

# The short form is for the tests and for building the pages.
QUICK = os.environ.get("KERAS_SEG_QUICK") == "1"
OUT = pathlib.Path("tutorial_12")  # where models and pictures go
SIDE, FILTERS, EPOCHS = (48, 4, 1) if QUICK else (128, 16, 20)

OUT.mkdir(exist_ok=True)
keras.utils.set_random_seed(0)
# TensorFlow warns of many compilations: here are many networks.
logging.getLogger("tensorflow").setLevel(logging.ERROR)

# %% [markdown]
# ## A pool that remembers
#
# A pool keeps the largest of four numbers and forgets where it was.
# `MaxPoolWithIndices` returns the place too, and `MaxUnpool` puts a value back
# there. `BedOfNails` always puts it at the top left. Everything else is zero.

# %%
numbers = np.float32([[1, 5, 2, 0], [3, 2, 8, 1]]).reshape(1, 2, 4, 1)
pooled, indices = MaxPoolWithIndices(2)(numbers)
print(keras.ops.convert_to_numpy(pooled).ravel(), "at", end=" ")
print(keras.ops.convert_to_numpy(indices).ravel())
for name, enlarged in {
    "MaxUnpool": MaxUnpool(2)(pooled, indices),
    "BedOfNails": BedOfNails(2)(pooled),
}.items():
    print(name)
    print(keras.ops.convert_to_numpy(enlarged)[0, :, :, 0])

# %% [markdown]
# ## Building blocks
#
# A block is a convolution, batch normalization and a ReLU. `AtrousConv` is a
# convolution at stride 1 with holes; at rate 1 it has none. It computes what
# `keras.layers.Conv2D` does with a `dilation_rate`, from the same weights, and
# takes less time at large rates, where taps lie outside the map. Names help:
# they are what errors and surgery speak of.


# %%
def block(x, filters, name, rate=1):
    x = AtrousConv(
        filters,
        3,
        padding="same",
        dilation_rate=rate,
        use_bias=False,
        name=name,
    )(x)
    x = keras.layers.BatchNormalization(name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


# %% [markdown]
# ## The network
#
# Down: two levels, each with a pool behind it. At the bottom, at a quarter of
# the size: two blocks, the second with holes, and DeepLab's pyramid `ASPP`,
# which looks at several distances at once and at the mean of the image. Its
# rates are distances on this map: 2, 4, 6 are 8, 16 and 24 pixels.
#
# Up: one of three ways.
#
# * `indices`: SegNet's. The values go where the maxima were.
# * `nails`: the values go to the top left of each cell, and a convolution
#   spreads them. The two together are a transposed convolution.
# * `bilinear`: DeepLab's. Values between neighbors are interpolated.
#
# Images have any size. 33 rows are pooled to 17, which would be enlarged to
# 34, so each way up is told the map that was pooled: `MaxUnpool` and
# `ResizeLike` enlarge to its size, `CropLike` cuts off what is too much.


# %%
def own_network(way_up, classes=4, rates=(2, 4, 6)):
    filters = FILTERS
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.Rescaling(1 / 127.5, -1, name="preprocess")(image)
    pools = []
    for level in (1, 2):
        x = before = block(x, level * filters, f"down{level}")
        if way_up == "indices":
            x, indices = MaxPoolWithIndices(2, name=f"pool{level}")(x)
        else:
            indices = None
            x = keras.layers.MaxPooling2D(
                2, padding="same", name=f"pool{level}"
            )(x)
        pools.append((level, before, indices))
    x = block(x, 4 * filters, "bottom1")
    x = block(x, 4 * filters, "bottom2", rate=2)
    x = ASPP(2 * filters, atrous_rates=rates, name="aspp")(x)
    for level, before, indices in reversed(pools):
        if way_up == "indices":
            x = MaxUnpool(2, name=f"unpool{level}")(x, indices, before)
        elif way_up == "nails":
            x = BedOfNails(2, name=f"nails{level}")(x)
            x = CropLike(name=f"crop{level}")(x, before)
        else:
            x = ResizeLike(name=f"resize{level}")(x, before)
        # The indices of the next level have as many channels as this map.
        x = block(x, max(1, level - 1) * filters, f"up{level}")
    scores = keras.layers.Conv2D(classes, 1, name="scores")(x)
    return keras.Model(image, scores, name=way_up)


# %% [markdown]
# The contract with the rest of the package is short: an image in 0…255 goes in,
# scores of the classes come out, at the same size. Whatever keeps it can be
# trained, evaluated, predicted with in tiles and exported by `keras_seg`.

# %%
table = synthetic.shape_classes(4)
images, masks = synthetic.shapes(6 if QUICK else 120, size=SIDE, classes=4)
pairs = list(zip(images, masks, strict=True))
last = 2 if QUICK else 20
train, held_out = pairs[:-last], pairs[-last:]
batches = data.Batches(
    train, 4, [augment.RandomFlip(), augment.RandomCrop(SIDE)], shuffle=True
)

networks = {}
for way_up in ("indices", "nails", "bilinear"):
    keras.utils.set_random_seed(0)
    networks[way_up] = network = own_network(way_up)
    assert network.compute_output_shape((1, 33, 50, 3)) == (1, 33, 50, 4)
    recipes.set_batch_norm_momentum(
        network, recipes.momentum_for(EPOCHS * len(batches))
    )
    network.compile(**recipes.finetune(train, classes=4, epochs=EPOCHS))
    network.fit(batches, epochs=EPOCHS, verbose=0)
    result = inference.evaluate(network, held_out, class_table=table)
    print(
        f"{way_up}: {network.count_params():,} weights, "
        f"mean IoU {result.scores.mean_iou:.3f}"
    )

# %%
image, truth = held_out[0]
pictures = {
    "image": image,
    "truth": visualization.overlay(image, truth, table.colors),
}
for way_up, network in networks.items():
    ids = inference.predict(network, image)
    pictures[way_up] = visualization.overlay(image, ids, table.colors)
figure, axes = plt.subplots(1, 5, figsize=(13, 2.9), layout="constrained")
for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
    axis.imshow(picture)
    axis.set_title(title)
    axis.axis("off")
figure.savefig(OUT / "ways_up.png")

# %% [markdown]
# No way up brings back what a pool has lost. Indices bring back one thing:
# where the maxima were. To hand whole maps across, join `before` to `x` with
# `keras.layers.Concatenate`: this is U-Net, and one line in the loop above.
#
# ## Save and load
#
# `model.save` writes the network with its weights into one file. To load it,
# `import keras_seg` is all that is needed besides Keras: it registers the
# layers. The file holds no code, so it is safe to load files of others, and
# nothing in it depends on the backend.

# %%
for way_up, network in networks.items():
    network.save(OUT / f"{way_up}.keras")
    loaded = keras.saving.load_model(OUT / f"{way_up}.keras", compile=False)
    batch = image[None].astype("float32")
    expected = network.predict(batch, verbose=0)
    difference = np.abs(loaded.predict(batch, verbose=0) - expected).max()
    print(f"{way_up}: {difference:.0e} apart after loading")
    assert difference < 1e-5

# %% [markdown]
# ## Another output stride, by surgery
#
# The map at the bottom has a quarter of the image's size: the output stride is
# 4. `set_output_stride` removes a stride and puts holes into what follows,
# with the same weights. On the finer map, rates that mean the same distance in
# pixels are twice as large, those of `ASPP` too.

# %%
trained = networks["bilinear"]
dense = surgery.set_output_stride(trained, 2)
for name in ("bottom1", "bottom2"):
    old, new = (x.get_layer(name).dilation_rate for x in (trained, dense))
    print(f"{name}: rate {old} → {new}")
print("ASPP: rates", dense.get_layer("aspp").atrous_rates)
result = inference.evaluate(dense, held_out, class_table=table)
print(f"output stride 2: mean IoU {result.scores.mean_iou:.3f}")

# %% [markdown]
# Why not for the others? A pool that remembers gives places on the map that was
# pooled, and un-pooling needs its stride. A bed of nails doubles a map that is
# no longer halved. Surgery has no rule that would keep the promise of equal
# results, so it refuses, and names the layer.

# %%
for way_up in ("indices", "nails"):
    try:
        surgery.set_output_stride(own_network(way_up), 2)
    except ValueError as error:
        print(f"{way_up}: {error}")

# %% [markdown]
# ## Exercises
#
# 1. How far does the network see, and how much of it is due to the rates of
#    `ASPP`?
# 2. A bed of nails and a convolution are a transposed convolution. Show it,
#    with a kernel of 3×3 and stride 2.
# 3. DeepLab v3+ uses separable convolutions. How many weights would they save
#    in `bottom2`?
#
# The answers are in the folded cells.

# %% tags=["hide-cell"]
# 1. The branch of ASPP with the mean sees the whole image, so it is left out
# of the count here.
for rates in ((1,), (2, 4, 6), (6, 12, 18)):
    network = own_network("bilinear", rates=rates)
    field = keras_seg.receptive_field(network, global_pooling=False)
    print(f"rates {rates}: {field.size} pixels")

# %% tags=["hide-cell"]
# 2. The kernel is turned by half a turn. Two zeros in front are what a kernel
# of three needs to reach the first value; behind, the last cell has brought
# one of the two.
x = np.random.default_rng(0).normal(size=(1, 5, 4, 2)).astype("float32")
kernel = np.random.default_rng(1).normal(size=(3, 3, 6, 2)).astype("float32")
transposed = keras.ops.conv_transpose(x, kernel, strides=2)
nails = keras.ops.pad(BedOfNails(2)(x), [(0, 0), (2, 1), (2, 1), (0, 0)])
turned = kernel[::-1, ::-1].transpose(0, 1, 3, 2).copy()
same = keras.ops.conv(nails, turned, padding="valid")
difference = keras.ops.max(keras.ops.abs(same - transposed))
print(f"{float(difference):.0e} apart")
assert float(difference) < 1e-5

# %% tags=["hide-cell"]
# 3. A separable convolution has one kernel for each channel and a matrix.
for separable in (False, True):
    layer = AtrousConv(
        4 * FILTERS, 3, dilation_rate=2, use_bias=False, separable=separable
    )
    layer.build((None, None, None, 4 * FILTERS))
    print(f"separable={separable}: {layer.count_params():,} weights")
