# %% [markdown]
# # 8 · Large images: from a GeoTIFF to a map
#
# A satellite or a drone does not take photographs of 500 pixels. Its images
# have ten thousand pixels a side and more; they do not fit into the memory of
# a network, and every pixel has a place on Earth. This tutorial draws such an
# image, trains a network on small pieces of it, predicts the whole by tiles,
# and writes a mask that lies where the image lies.
#
# You need `pip install "keras-seg[tensorflow,viz,geo]"` (or `jax`, or `torch`);
# `geo` is rasterio, which reads and writes GeoTIFFs. It takes two
# minutes.

# %%
import os
import pathlib
import subprocess
import sys

import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_seg
from keras_seg import applications
from keras_seg import data
from keras_seg import inference
from keras_seg import losses
from keras_seg import metrics
from keras_seg import runs
from keras_seg import visualization
from keras_seg.data import augment

try:
    import rasterio
except ImportError:
    sys.exit('This tutorial needs rasterio: pip install "keras-seg[geo]".')

# The short form is for the tests and for building the pages.
QUICK = os.environ.get("KERAS_SEG_QUICK") == "1"
OUT = pathlib.Path("tutorial_08")  # where images and pictures go

OUT.mkdir(exist_ok=True)
keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
classes = data.ClassTable(
    ("field", "forest", "water"), ((0, 0, 0), (0, 158, 60), (0, 114, 230))
)

# %% [markdown]
# ## An image with a place
#
# A landscape seen from above: fields in brown and green, forests, a river and
# lakes. We know the class of every pixel, since we draw it. Some fields are as
# dark as the forest; the forest is rougher, so a pixel alone does not say what
# it is.


# %%
def landscape(height, width):
    """An image of a landscape, and its mask."""
    rows, columns = np.indices((height, width))

    def waves(period, count=6):
        total = np.zeros((height, width))
        for angle, phase in rng.uniform(0, 2 * np.pi, (count, 2)):
            step = rows * np.sin(angle) + columns * np.cos(angle)
            total += np.sin(2 * np.pi * step / period + phase)
        return total / count

    mask = np.zeros((height, width), "uint8")
    mask[waves(150) > 0.15] = 1
    river = np.abs(rows - height / 2 - 60 * waves(400)) < 9
    mask[river | (waves(220) > 0.5)] = 2
    colors = np.array([(118, 112, 70), (70, 92, 55), (55, 75, 95)], float)
    image = colors[mask]
    image[..., :2] += 50 * waves(90)[..., None] * (mask == 0)[..., None]
    roughness = np.array([8, 30, 8])[mask]
    image += (roughness * rng.normal(size=mask.shape))[..., None]
    return image.clip(0, 255).astype("uint8"), mask


height, width = (192, 256) if QUICK else (1000, 1400)
image, truth = landscape(height, width)

# %% [markdown]
# A GeoTIFF is a TIFF with two things more: a *coordinate system*, here UTM
# zone 33 north (EPSG:32633), whose unit is the meter; and a *transform*, which
# says where the upper left corner lies and how large a pixel is, here half a
# meter.

# %%
place = {
    "crs": "EPSG:32633",
    "transform": rasterio.transform.from_origin(400_000, 5_400_000, 0.5, 0.5),
}
with rasterio.open(
    OUT / "landscape.tif",
    "w",
    driver="GTiff",
    height=height,
    width=width,
    count=3,
    dtype="uint8",
    **place,
) as file:
    file.write(np.moveaxis(image, -1, 0))

with rasterio.open(OUT / "landscape.tif") as file:
    print(f"{file.height}×{file.width} pixels, {file.crs}")
    east, north = file.xy(100, 20)
    print(f"row 100, column 20 lies at {east:.2f} m east, {north:.2f} m north")

# %% [markdown]
# ## Training on windows
#
# Nobody labels all of a large image. We take smaller landscapes, of which masks
# exist, and let every batch crop windows from them at random places.

# %%
side = 64 if QUICK else 128
train = [landscape(4 * side, 4 * side) for _ in range(2 if QUICK else 8)]
batches = data.Batches(
    train * (2 if QUICK else 10),
    4 if QUICK else 8,
    [augment.RandomCrop(side), augment.RandomFlip()],
    shuffle=True,
)
model = applications.UNet(
    classes=3, filters=4 if QUICK else 8, depth=2, dropout=0.0
)
model.compile(keras.optimizers.Adam(3e-3), losses.CrossEntropy())
model.fit(batches, epochs=1 if QUICK else 12, verbose=0)
runs.set_class_table(model, classes)  # The file then knows names and colors.
model.save(OUT / "landscape.keras")

# %% [markdown]
# ## How far does a pixel see?
#
# The scores of a pixel depend on a window around it, the *receptive field*. At
# the border of a tile a part of that window is missing, and the network sees
# zeros where the image goes on. So tiles have to overlap, and the outermost
# pixels of each tile should not be used.

# %%
field = keras_seg.receptive_field(model)
print("receptive field:", field.size)

# %% [markdown]
# ## Tiles against the whole
#
# This image is small enough to be predicted at once, so we can compare. Three
# ways to cut it:
#
# * tiles that only touch each other,
# * tiles that overlap, and are blended where they do,
# * tiles with a margin of 32 pixels that are not used: more than the 22 that a
#   field of 44 reaches to each side.

# %%
whole = inference.predict(model, image)
ways = {
    "touching": inference.Tiles(64, overlap=0, margin=0),
    "blended": inference.Tiles(64, overlap=32, margin=0),
    "with a margin": inference.Tiles(128, overlap=64, margin=32),
}
found = {}
for name, tiles in ways.items():
    found[name] = inference.predict(model, image, tiles)
    differ = (found[name] != whole).mean()
    count = tiles.count(image.shape[:2])
    print(f"{name:14}{count:4} tiles, {100 * differ:6.3f} % other pixels")
assert (found["with a margin"] == whole).mean() > 0.9999

# %% [markdown]
# In the full form (1000×1400 pixels, JAX 0.10, two CPU cores, November 2026):
#
# | | tiles | pixels of another class than in the whole |
# |---|---:|---:|
# | touching, 64 | 352 | 0.243 % |
# | blended, 64, overlap 32 | 1260 | 0.014 % |
# | with a margin, 128, overlap 64 | 315 | 0.000 % |
#
# ![Masks, and what differs at the seams](../_static/tutorial_08_tiles.jpg)
#
# Where tiles only touch, the outlines of forests are wrong at the seams. With a
# margin beyond the receptive field, tiles give the scores of the whole image,
# whatever the network. Where the field is larger than any tile, as with image
# pooling, overlap and blending are what is left.

# %%
part = slice(0, 160), slice(0, 224)
figure, axes = plt.subplots(2, 3, figsize=(10, 5.2), layout="constrained")
pictures = {
    "image": image[part],
    "truth": visualization.overlay(image[part], truth[part], classes.colors),
    "predicted whole": visualization.overlay(
        image[part], whole[part], classes.colors
    ),
}
for name, ids in found.items():
    other = ids[part] != whole[part]
    pictures[f"{name}: what differs"] = np.where(
        other[..., None], (230, 0, 230), 255 - (255 - image[part]) // 3
    ).astype("uint8")
for axis, (title, picture) in zip(axes.flat, pictures.items(), strict=True):
    axis.imshow(picture)
    axis.set_title(title, fontsize="medium")
    axis.axis("off")
figure.savefig(OUT / "tiles.png")

matrix = metrics.count_pairs(truth, found["with a margin"], 3)
for name, iou in zip(
    classes.names, metrics.scores(matrix).per_class_iou, strict=True
):
    print(f"{name}: IoU {iou:.3f}")

# %% [markdown]
# ## The mask keeps its place
#
# A mask belongs on the map, so it is a GeoTIFF, too, with the coordinate system
# and the transform of the image. That is all it takes:

# %%
with rasterio.open(OUT / "landscape.tif") as source:
    with rasterio.open(
        OUT / "by_hand.tif",
        "w",
        driver="GTiff",
        height=source.height,
        width=source.width,
        count=1,
        dtype="uint8",
        nodata=data.VOID,
        compress="deflate",
        crs=source.crs,
        transform=source.transform,
    ) as target:
        target.write(found["with a margin"], 1)

# %% [markdown]
# The command does the same without ever holding the image in memory: it reads
# a tile, predicts it, writes the pixels that are finished, and goes on. Pixels
# where the image has no data become void, and the mask has the colors of the
# classes. (With `--tile 256`, tiles overlap by 64 and have a margin of 16. That
# is less than 22 and may change a pixel here and there.)
#
# ```bash
# keras-seg predict landscape.keras landscape.tif \
#     --tile 256 --out predictions
# ```

# %%
command = [sys.executable, "-m", "keras_seg.cli", "predict"]
command += [OUT / "landscape.keras", OUT / "landscape.tif"]
command += ["--tile", "256", "--out", OUT / "predictions", "--overwrite"]
ran = subprocess.run(list(map(str, command)), capture_output=True, text=True)
print(ran.stdout)
if ran.returncode:
    sys.exit(ran.stderr)

with (
    rasterio.open(OUT / "landscape.tif") as source,
    rasterio.open(OUT / "predictions" / "landscape.tif") as mask,
):
    ids = mask.read(1)
    print(
        "the same place:", mask.crs == source.crs, mask.bounds == source.bounds
    )
    print("colors:", [mask.colormap(1)[i][:3] for i in range(3)])
    assert mask.transform == source.transform and mask.nodata == data.VOID
print(
    f"other than by hand: {100 * (ids != found['with a margin']).mean():.3f} %"
)

# %% [markdown]
# ## Into QGIS
#
# [QGIS](https://qgis.org) is free software for maps. Drag `landscape.tif` and
# `predictions/landscape.tif` into its window: the mask lies on the image, in
# the colors of the classes, since both files say where they are.
#
# * *Layer Properties → Transparency* lets the image shine through. Void is
#   transparent already, since it is the mask's *nodata*.
# * *Layer Properties → Symbology* has the palette, where the ids get names.
# * *Processing Toolbox → Polygonize (raster to vector)* makes outlines from the
#   mask, with the class as an attribute. The package does not write outlines.
# * If a mask lies elsewhere, compare the coordinate systems of both layers in
#   *Layer Properties → Information*.
#
# A part of a map that was saved as PNG or JPEG has lost its place. Its mask is
# a PNG, and has none either.
#
# More on tiles and on their memory: [large images](../howto/tiles).
#
# ## Exercises
#
# 1. Tiles that overlap are predicted more than once. How many pixels does the
#    network see for each of the image, with tiles of 128 and an overlap of 64?
#    With 512 and 128, on an image of 20,000×20,000?
# 2. A pixel is half a meter wide. How many hectares of forest are there,
#    by the mask and in truth?
# 3. `predict` takes anything that gives arrays for `image[rows, columns]`. Put
#    the image into a `numpy.memmap` and let the ids go to another one. Are they
#    the same?

# %% tags=["hide-cell"]
# 1. Each tile brings 64 new rows and columns: (128 / 64)² = 4 in the middle of
# an image. With 512 and 128 it is (512 / 384)² = 1.8: large tiles are cheaper.
for tiles, shape in (
    (inference.Tiles(128, overlap=64), (height, width)),
    (inference.Tiles(128, overlap=64), (20_000, 20_000)),
    (inference.Tiles(512, overlap=128), (20_000, 20_000)),
):
    seen = tiles.count(shape) * tiles.size**2
    print(f"{tiles.size}: {seen / np.prod(shape):.2f} pixels for each")

# %% tags=["hide-cell"]
# 2. A hectare has 10,000 square meters, a pixel 0.25.
for name, mask in {"mask": ids, "truth": truth}.items():
    print(f"{name}: {(mask == 1).sum() * 0.25 / 10_000:.2f} ha of forest")

# %% tags=["hide-cell"]
# 3. They are. Neither image nor mask has to fit into memory.
on_disk = np.memmap(OUT / "image.raw", "uint8", "w+", shape=image.shape)
on_disk[:] = image
written = np.memmap(OUT / "ids.raw", "uint8", "w+", shape=image.shape[:2])
inference.predict(model, on_disk, ways["with a margin"], out=written)
print("the same:", np.array_equal(written, found["with a margin"]))
