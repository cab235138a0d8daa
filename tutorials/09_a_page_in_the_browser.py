# %% [markdown]
# # 9 · Export, and a page in the browser
#
# A trained network should run where nobody has installed Keras: on a server,
# in a program of other people, in a browser. This tutorial trains a small
# network, writes it as an ONNX file, checks that file against the model, and
# builds a web page around it. Whoever opens the page segments images on their
# own machine. No image is sent anywhere.
#
# You need `pip install "keras-seg[tensorflow,export,viz]"`. TensorFlow writes
# files that take images of any size, PyTorch files for one size. JAX writes no
# ONNX; a model that was trained with JAX is saved, and loaded with another
# backend ([tutorial 11](11_three_backends)).

# %%
import base64
import io
import json
import os
import pathlib
import sys
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import keras_seg
from keras_seg import applications
from keras_seg import data
from keras_seg import deployment
from keras_seg import inference
from keras_seg import surgery
from keras_seg import visualization
from keras_seg.data import augment
from keras_seg.data import synthetic
from keras_seg.training import recipes

# The short form is for the tests and for building the pages.
QUICK = os.environ.get("KERAS_SEG_QUICK") == "1"
OUT = pathlib.Path("tutorial_09")  # where the files go
SIDE = 64 if QUICK else 128
# Where the page finds onnxruntime-web: on a CDN, or in a folder beside it.
CDN = "https://cdn.jsdelivr.net/npm/onnxruntime-web@1.30.0/dist/"
ORT = os.environ.get("ORT", CDN)

OUT.mkdir(exist_ok=True)
keras.utils.set_random_seed(0)

# %% [markdown]
# Is all that the export needs installed? Better to know before the training.

# %%
(onnx_format,) = (x for x in deployment.FORMATS if x.name == "onnx")
if keras.backend.backend() not in onnx_format.backends:
    sys.exit("JAX writes no ONNX. Fix: run with KERAS_BACKEND=tensorflow.")
try:
    onnx_format.check_installed(keras.backend.backend())
except deployment.ExportError as error:
    sys.exit(str(error))

# %% [markdown]
# ## A network
#
# It finds disks and squares on drawn images. A network for a page should be
# small, since everybody who opens the page downloads it. This one is a U-Net
# whose way down is three convolutions with stride 2.

# %%
classes = synthetic.shape_classes(3)
images, masks = synthetic.shapes(4 if QUICK else 120, size=SIDE, classes=3)
pairs = list(zip(images, masks, strict=True))
train, (image, truth) = pairs[:-1], pairs[-1]

encoder = keras.Sequential([keras.Input((None, None, 3))])
for filters in (8, 16) if QUICK else (32, 64, 128):
    encoder.add(keras.layers.Conv2D(filters, 3, strides=2, padding="same"))
    encoder.add(keras.layers.BatchNormalization())
    encoder.add(keras.layers.ReLU())
model = applications.UNet(encoder, classes=3, filters=4 if QUICK else 16)
print(f"{model.count_params():,} weights")

epochs = 1 if QUICK else 30
batches = data.Batches(
    train,
    4,
    [
        augment.RandomFlip(),
        augment.RandomQuarterTurns(),
        augment.RandomCrop(SIDE),
    ],
    shuffle=True,
)
recipes.set_batch_norm_momentum(
    model, recipes.momentum_for(epochs * len(batches))
)
model.compile(**recipes.finetune(train, classes=3, epochs=epochs))
model.fit(batches, epochs=epochs, verbose=0)
evaluation = inference.evaluate(model, pairs[-1:], class_table=classes)
print(f"mean IoU of the held-out image: {evaluation.scores.mean_iou:.3f}")

# %% [markdown]
# ## Export
#
# `keras_seg.export` writes the file, runs it with ONNX Runtime on three images
# and compares the scores with those of the model. If they differ by more than
# a thousandth, nothing is written. Preprocessing is part of the network, and so
# it is part of the file: whoever uses it passes RGB in 0…255 and can't get it
# wrong. The names and colors of the classes are in the file too.

# %%
one_size = None if keras.backend.backend() == "tensorflow" else (SIDE, SIDE)
exported = keras_seg.export(
    model, OUT / "model.onnx", class_table=classes, size=one_size
)
print(f"{exported.bytes / 1e6:.2f} MB")
for agreement in exported.agreements:
    height, width = agreement.size
    print(
        f"{height}×{width}: {agreement.same_class:.2%} of the pixels in the "
        f"same class, scores at most {agreement.difference:.0e} apart, of "
        f"{agreement.scale:.1f}"
    )

# %% [markdown]
# Three images of noise are a check of the arithmetic. Here is the same check on
# the held-out image, without any help of the package: this is all the code
# that another program needs. The class of a pixel is the one with the largest
# score.

# %%
import onnxruntime  # noqa: E402

session = onnxruntime.InferenceSession(OUT / "model.onnx")
(taken,) = session.get_inputs()
print("takes", taken.name, taken.shape, taken.type)
batch = image[None].astype("float32")
(scores,) = session.run(None, {taken.name: batch})
expected = model.predict(batch, verbose=0)
difference = np.abs(scores - expected).max() / np.abs(expected).max()
print(f"the scores are {difference:.0e} of the largest apart")
assert difference < 1e-3
ids = scores[0].argmax(axis=-1)

figure, axes = plt.subplots(1, 3, figsize=(9, 3.3), layout="constrained")
for axis, (title, picture) in zip(
    axes,
    {
        "image": image,
        "Keras": visualization.overlay(
            image, expected[0].argmax(axis=-1), classes.colors
        ),
        "ONNX Runtime": visualization.overlay(image, ids, classes.colors),
    }.items(),
    strict=True,
):
    axis.imshow(picture)
    axis.set_title(title)
    axis.axis("off")
figure.savefig(OUT / "overlays.png")

# %% [markdown]
# ## The page
#
# [onnxruntime-web](https://onnxruntime.ai/docs/tutorials/web/) is the same
# runtime for browsers. The page needs four steps, the same as above:
#
# 1. draw the image on a canvas, which gives its pixels as red, green, blue and
#    alpha;
# 2. leave out alpha and make a tensor `(1, height, width, 3)` of the rest;
# 3. run the network;
# 4. for each pixel take the class with the largest score, and paint its color.

# %%
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Segmentation in the browser</title>
<style>
  body { font: 1rem/1.5 sans-serif; max-width: 60rem; margin: 2rem auto; }
  canvas { width: 45%; margin-right: 2%; border: 1px solid #ccc; }
</style>
<h1>Segmentation in the browser</h1>
<p>
  <label>An image: <input type="file" id="file" accept="image/*"></label>
  It stays on this device.
</p>
<canvas id="image"></canvas><canvas id="painted"></canvas>
<p id="said" role="status">Loading the network</p>
<script src="@ORT@ort.wasm.min.js"></script>
<script>
const facts = @FACTS@;
const [image, painted, said, file] = ["image", "painted", "said", "file"].map(
  id => document.getElementById(id));
let session;

async function segment(blob) {
  const picture = await createImageBitmap(blob);
  // A network of any size takes the image as it is, unless it is very large.
  const longest = Math.max(picture.width, picture.height);
  const scale = Math.min(1, 640 / longest);
  const [height, width] = facts.size ||
    [picture.height, picture.width].map(n => Math.ceil(n * scale));
  for (const canvas of [image, painted])
    Object.assign(canvas, {width, height});
  const canvas = image.getContext("2d", {willReadFrequently: true});
  canvas.drawImage(picture, 0, 0, width, height);
  const rgba = canvas.getImageData(0, 0, width, height).data;

  const count = width * height;
  const rgb = new Float32Array(3 * count);
  for (let i = 0; i < count; i++)
    for (let c = 0; c < 3; c++) rgb[3 * i + c] = rgba[4 * i + c];

  const begin = performance.now();
  const tensor = new ort.Tensor("float32", rgb, [1, height, width, 3]);
  const found = await session.run({[session.inputNames[0]]: tensor});
  const scores = found[session.outputNames[0]].data;
  const seconds = (performance.now() - begin) / 1000;

  const classes = facts.names.length;
  const counts = new Array(classes).fill(0);
  const colored = new ImageData(width, height);
  for (let i = 0; i < count; i++) {
    let best = 0;
    for (let k = 1; k < classes; k++)
      if (scores[classes * i + k] > scores[classes * i + best]) best = k;
    counts[best]++;
    for (let c = 0; c < 3; c++)
      colored.data[4 * i + c] =
        (rgba[4 * i + c] + facts.colors[best][c]) / 2;
    colored.data[4 * i + 3] = 255;
  }
  painted.getContext("2d").putImageData(colored, 0, 0);
  said.textContent = facts.names.map((name, k) =>
    `${name} ${(100 * counts[k] / count).toFixed(1)} %`).join(", ") +
    ` of ${height}×${width} pixels, in ${seconds.toFixed(2)} s`;
}

async function begin() {
  if (!window.ort) throw Error("onnxruntime-web could not be loaded");
  const model = Uint8Array.from(atob(facts.model), x => x.charCodeAt(0));
  session = await ort.InferenceSession.create(model);
  await segment(await (await fetch(facts.example)).blob());
  file.onchange = () => segment(file.files[0]).catch(complain);
}

const complain = error => { said.textContent = String(error); };
begin().catch(complain);
</script>
"""

# %% [markdown]
# What the page needs of us goes into it as JSON: the network, the names and
# colors of the classes, and an image to begin with. So it is one file that can
# be copied or sent. (Networks of many megabytes lie beside their page instead,
# and it fetches them.)


# %%
def base64_of(content):
    return base64.b64encode(content).decode("ascii")


png = io.BytesIO()
Image.fromarray(image).save(png, "png")
network = deployment.ExportedModel(OUT / "model.onnx")
facts = {
    "size": network.metadata.size,
    "names": network.class_table.names,
    "colors": network.class_table.colors,
    "example": f"data:image/png;base64,{base64_of(png.getvalue())}",
    "model": base64_of((OUT / "model.onnx").read_bytes()),
}
# "</" would end the script.
text = json.dumps(facts).replace("</", "<\\/")
page = PAGE.replace("@ORT@", ORT).replace("@FACTS@", text)
(OUT / "index.html").write_text(page, encoding="utf-8")
shares = np.bincount(ids.ravel(), minlength=3) / ids.size
print(
    f"index.html: {len(page) / 1e6:.2f} MB. It should say:",
    ", ".join(
        f"{name} {share:.1%}"
        for name, share in zip(classes.names, shares, strict=True)
    ),
)

# %% [markdown]
# Serve it and open <http://localhost:8000>:
#
# ```bash
# python -m http.server --directory tutorial_09
# ```
#
# A folder of static files is all that it is. Any web server will do, and so
# will the pages of a code host.
#
# The script tag loads onnxruntime-web from a CDN, at a fixed version: a page
# that loads the newest changes without you. To be independent of the CDN, get
# the package (`npm pack onnxruntime-web@1.30.0`), copy its folder `dist` into
# `tutorial_09`, and say so: `ORT=dist/ python
# tutorials/09_a_page_in_the_browser.py`. Of `dist` the page needs only
# `ort.wasm.min.js` and the `.mjs` and `.wasm` called `ort-wasm-simd-threaded`.
#
# Three things to know:
#
# * Several threads need a *cross-origin isolated* page: its server sends
#   the headers `Cross-Origin-Opener-Policy: same-origin` and
#   `Cross-Origin-Embedder-Policy: require-corp`. Without them the runtime uses
#   one thread.
# * A browser shrinks images with another filter than Python does. Where the
#   page shrinks an image, a few pixels at borders differ for this reason.
# * The weights can be read by everybody who opens the page.
#
# For phones there is LiteRT, for servers there are [several
# ways](../howto/serving): all from the same `keras_seg.export`, by the suffix
# of the file.
#
# ## Exercises
#
# 1. The most common mistake around an exported network is other
#    preprocessing. Give it values in 0…1 instead of 0…255. How many pixels
#    change their class? Does anything warn you?
# 2. Batch normalization is a multiplication and an addition after a
#    convolution, and can be folded into its weights. Does the file get
#    smaller? Do the scores change?
# 3. Export the network for one size. Is it faster? What happens to an image of
#    another size?
#
# The answers are in the folded cells.

# %% tags=["hide-cell"]
# 1. Nothing warns: the file takes any floats. This is why preprocessing should
# be in the file, and why a check on a real image belongs to every export.
(wrong,) = session.run(None, {taken.name: batch / 255})
changed = (wrong[0].argmax(axis=-1) != ids).mean()
print(f"{changed:.1%} of the pixels change, without a warning")

# %% tags=["hide-cell"]
# 2. The scores are the same up to rounding. What the file gains is printed: a
# converter may have folded a part already.
folded = surgery.fold_batch_norm(model)
smaller = keras_seg.export(
    folded,
    OUT / "folded.onnx",
    class_table=classes,
    size=one_size,
    verify=not QUICK,
)
apart = np.abs(folded.predict(batch, verbose=0) - expected).max()
print(f"{exported.bytes:,} → {smaller.bytes:,} bytes, {apart:.0e} apart")


# %% tags=["hide-cell"]
# 3. The times are printed. The package refuses an image of another size, where
# the runtime itself would say something about dimensions; `keras_seg.predict`
# cuts the image into tiles of the size that the network takes.
def seconds_of(path):
    runtime = deployment.ExportedModel(path)
    runtime.predict_on_batch(batch)
    begin = time.perf_counter()
    for _ in range(10):
        runtime.predict_on_batch(batch)
    return (time.perf_counter() - begin) / 10


keras_seg.export(
    model,
    OUT / "fixed.onnx",
    class_table=classes,
    size=(SIDE, SIDE),
    verify=not QUICK,
)
for name in ("model", "fixed"):
    print(f"{name}: {1000 * seconds_of(OUT / f'{name}.onnx'):.1f} ms")
try:
    deployment.ExportedModel(OUT / "fixed.onnx").predict_on_batch(
        np.zeros((1, SIDE + 1, SIDE, 3))
    )
except ValueError as error:
    print(error)
