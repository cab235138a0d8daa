# %% [markdown]
# # 11 · One model, three backends, and mixed precision
#
# TensorFlow, JAX and PyTorch do the same arithmetic in different ways. A
# network of this package is a Keras model, so the same file runs on all three.
# This tutorial trains on one, predicts on the others, and measures how far the
# results are apart. Then it computes in 16 bits instead of 32, and asks the
# same question.
#
# You need `pip install "keras-seg[tensorflow,jax,torch,viz]"`. Backends that
# are not installed are left out.

# %%
import importlib.util
import os
import pathlib
import subprocess
import sys
import time

import keras
import matplotlib.pyplot as plt
import numpy as np

from keras_seg import applications
from keras_seg import data
from keras_seg import visualization
from keras_seg.data import augment
from keras_seg.data import synthetic
from keras_seg.training import recipes

# The short form is for the tests and for building the pages.
QUICK = os.environ.get("KERAS_SEG_QUICK") == "1"
OUT = pathlib.Path("tutorial_11")  # where models and pictures go
SIDE, FILTERS, EPOCHS = (48, 4, 1) if QUICK else (160, 16, 20)

OUT.mkdir(exist_ok=True)
keras.utils.set_random_seed(0)
here = keras.backend.backend()
print("this is", here)

# %% [markdown]
# ## Train on one
#
# The backend is chosen before Keras is imported: by the environment variable
# `KERAS_BACKEND`, or by the file `~/.keras/keras.json`. After that it can't be
# changed; another backend needs another process.


# %%
def network():
    """A small U-Net, in the precision of the current dtype policy."""
    encoder = keras.Sequential([keras.Input((None, None, 3))])
    for factor in (1, 2) if QUICK else (1, 2, 4):
        encoder.add(keras.layers.Conv2D(factor * FILTERS, 3, 2, padding="same"))
        encoder.add(keras.layers.BatchNormalization())
        encoder.add(keras.layers.ReLU())
    return applications.UNet(encoder, classes=3, filters=FILTERS)


classes = synthetic.shape_classes(3)
drawn, masks = synthetic.shapes(8 if QUICK else 80, size=SIDE, classes=3)
images, truth = drawn[-4:].astype("float32"), masks[-4:]
train = list(zip(drawn[:-4], masks[:-4], strict=True))
batches = data.Batches(
    train, 4, [augment.RandomFlip(), augment.RandomCrop(SIDE)], shuffle=True
)
model = network()
recipes.set_batch_norm_momentum(
    model, recipes.momentum_for(EPOCHS * len(batches))
)
model.compile(**recipes.finetune(train, classes=3, epochs=EPOCHS))
model.fit(batches, epochs=EPOCHS, verbose=0)
expected = model.predict(images, verbose=0)

model.save(OUT / "model.keras")
np.save(OUT / "images.npy", images)

# %% [markdown]
# ## Predict on the others
#
# The program below is all that the other backends run. `import keras_seg`
# registers the layers of the file; nothing in it names a backend. The first
# call is timed by itself: it compiles the network for this size of images,
# which takes longer than to predict.

# %%
PROGRAM = """
import sys
import time

import keras
import numpy as np

import keras_seg

folder = sys.argv[1]
model = keras.saving.load_model(f"{folder}/model.keras", compile=False)
images = np.load(f"{folder}/images.npy")
seconds = []
for _ in range(4):
    begin = time.perf_counter()
    scores = model.predict(images, verbose=0)
    seconds.append(time.perf_counter() - begin)
np.save(f"{folder}/{keras.backend.backend()}.npy", scores)
print(f"first call {seconds[0]:.2f} s, later {min(seconds[1:]):.3f} s")
"""


def compare(name, scores, figures=""):
    """Prints how far scores are from those of the model above."""
    apart = np.abs(scores - expected).max() / np.abs(expected).max()
    same = (scores.argmax(axis=-1) == expected.argmax(axis=-1)).mean()
    print(
        f"{name}: {apart:.0e} of the largest score apart, {same:.2%} of the "
        f"pixels in the same class {figures}".rstrip()
    )
    return apart


backends = ["torch", "tensorflow", "jax"]
if QUICK:  # one that is not this one
    backends = [x for x in backends if x != here][:1]
for backend in backends:
    if importlib.util.find_spec(backend) is None:
        print(f"{backend}: not installed")
        continue
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(OUT)],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode:
        sys.exit(f"{backend} could not run the network: {done.stderr}")
    found = np.load(OUT / f"{backend}.npy")
    assert compare(backend, found, f"({done.stdout.strip()})") < 1e-3

# %% [markdown]
# The scores are not equal to the last bit. Floating-point numbers are rounded
# after each step, so the order of a sum matters, and every backend adds in its
# own order. A float32 has 24 binary digits; one unit in the last of them is
# 6 · 10⁻⁸ of the number, and some of that adds up over the layers. A pixel
# changes its class only where its two best scores are as close as this.
#
# Prediction can be compared in this way, training can't. A difference in the
# last digit of the first step makes the second step a little different, and
# after hundreds of steps the weights are others. They are as good, but they are
# not the same. Compare trainings by their scores, over several seeds.
#
# ## Mixed precision
#
# A bfloat16 has the range of a float32 and 8 binary digits. In *mixed*
# precision, weights are kept in float32, and convolutions compute in bfloat16.
# Maps then take half the memory, and hardware with units for bfloat16 is
# faster. Weights stay in float32 because the steps of training are small: added
# to a number of 8 digits, most of them would be rounded away.
#
# The dtype policy is set before the network is built. Models of this package
# return float32 scores under every policy, so that loss and metrics are exact.

# %%
before = keras.config.dtype_policy()
keras.config.set_dtype_policy("mixed_bfloat16")
mixed = network()
keras.config.set_dtype_policy(before)

mixed.set_weights(model.get_weights())
layer = next(x for x in mixed.layers if isinstance(x, keras.layers.Conv2D))
print(
    f"{layer.name}: weights {layer.kernel.dtype}, computes in "
    f"{layer.compute_dtype}; the network returns {mixed.output.dtype}"
)
in_16 = mixed.predict(images, verbose=0)
apart = compare("mixed_bfloat16", in_16)

# %% [markdown]
# Where do classes change? Where the two best scores are close. In a network
# that was trained for long enough, this is mostly at borders.

# %%
changed = in_16.argmax(axis=-1) != expected.argmax(axis=-1)
figure, axes = plt.subplots(1, 3, figsize=(9, 3.3), layout="constrained")
for axis, (title, picture) in zip(
    axes,
    {
        "float32": visualization.overlay(
            images[0].astype("uint8"), expected[0].argmax(-1), classes.colors
        ),
        "mixed_bfloat16": visualization.overlay(
            images[0].astype("uint8"), in_16[0].argmax(-1), classes.colors
        ),
        f"{changed[0].sum()} pixels change": changed[0],
    }.items(),
    strict=True,
):
    axis.imshow(picture)
    axis.set_title(title)
    axis.axis("off")
figure.savefig(OUT / "precision.png")

# %% [markdown]
# Is it faster here? That depends on the processor. Without units for bfloat16,
# numbers are converted back and forth, and it may well be slower. Measure it
# on the machine that will do the work:


# %%
def seconds_of(network):
    network.predict(images, verbose=0)
    begin = time.perf_counter()
    for _ in range(1 if QUICK else 10):
        network.predict(images, verbose=0)
    return (time.perf_counter() - begin) / (1 if QUICK else 10)


for name, each in {"float32": model, "mixed_bfloat16": mixed}.items():
    print(f"{name}: {seconds_of(each):.3f} s for {len(images)} images")

# %% [markdown]
# Training needs no other code. With the policy `mixed_float16`, small gradients
# would become zero, as a float16 has a narrow range; `compile` then scales the
# loss by itself. bfloat16 does not need it.

# %%
mixed.compile(**recipes.finetune(train, classes=3, epochs=1))
history = mixed.fit(batches, epochs=1, verbose=0)
print(f"loss {history.history['loss'][-1]:.3f}")
assert np.isfinite(history.history["loss"]).all()

# %% [markdown]
# ## What a GPU changes
#
# Nothing in the code: if the backend sees a GPU, Keras uses it. `keras-seg
# doctor` says what it sees. A few things are worth knowing before you compare:
#
# * **Which package.** Each backend has its own way to be installed for a GPU; a
#   plain `pip install` may give the one for CPUs.
# * **Rounding.** GPUs of NVIDIA since Ampere may multiply float32 with fewer
#   digits (TF32). Whether they do is a setting of the backend. Results then
#   differ by more than above, and less than with bfloat16.
# * **Order.** Some sums on a GPU have no fixed order. Two runs with the same
#   seed may differ; `tf.config.experimental.enable_op_determinism()` and
#   `torch.use_deterministic_algorithms(True)` forbid it, and cost time.
# * **Memory.** TensorFlow takes nearly all memory of a GPU at the start, and
#   JAX three quarters, so another process finds little. The variables
#   `TF_FORCE_GPU_ALLOW_GROWTH=true` and `XLA_PYTHON_CLIENT_PREALLOCATE=false`
#   change it.
# * **Feeding it.** A GPU waits for images that Python decodes and augments. If
#   it is idle for a part of the time, give `data.Batches` more `workers`.
# * **Sizes.** JAX, and TensorFlow with `jit_compile`, compile for each size of
#   images. Train on crops of one size.
#
# ## Exercises
#
# 1. Are scores equal on one and the same backend? Predict an image alone, and
#    in a batch of four.
# 2. How do 1/3, 1000.5 and 70000 look in bfloat16 and in float16?
# 3. Save the mixed network and load it. In which precision does it compute?
#
# The answers are in the folded cells.

# %% tags=["hide-cell"]
# 1. Not always: another batch may be computed in another order. The difference
# is of the size of that between backends, or zero.
alone = model.predict(images[:1], verbose=0)
apart = np.abs(alone - expected[:1]).max() / np.abs(expected).max()
print(f"{apart:.0e} of the largest score apart")

# %% tags=["hide-cell"]
# 2. bfloat16 has fewer digits: 8 instead of 11. float16 ends at 65504, and what
# is above becomes infinite.
for dtype in ("float32", "bfloat16", "float16"):
    rounded = keras.ops.cast(np.float32([1 / 3, 1000.5, 70000]), dtype)
    rounded = keras.ops.convert_to_numpy(keras.ops.cast(rounded, "float32"))
    print(f"{dtype:9}", *rounded)

# %% tags=["hide-cell"]
# 3. In the one it was built with: each layer's policy is in the file. To change
# it, build the network under another policy and set the weights, as above.
mixed.save(OUT / "mixed.keras")
loaded = keras.saving.load_model(OUT / "mixed.keras", compile=False)
print(loaded.get_layer(layer.name).compute_dtype)
