"""Layers against plain PyTorch, side by side in one process.

    KERAS_BACKEND=jax python benchmarks/layers.py --only atrous

The peer is `torch.nn` with channels-last tensors, in inference mode where
nothing is trained; with `--only keras` it is, for each layer of
`keras_seg.fast`, the layer of Keras that it replaces. Both run in turn, round
after round; the table has the medians and the median of the ratios of the
rounds.
"""

import argparse
import statistics

import machine

PYTORCH = ("atrous", "conv", "depthwise", "aspp", "resize", "pool")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only",
        nargs="+",
        choices=(*PYTORCH, "keras"),
        default=PYTORCH,
        help="groups of cases (default: all whose peer is PyTorch)",
    )
    parser.add_argument(
        "--match", default="", help="only cases whose name contains this"
    )
    parser.add_argument(
        "--rounds", type=int, default=7, help="of each case (default: 7)"
    )
    parser.add_argument(
        "--threads", type=int, default=1, help="CPUs to use (default: 1)"
    )
    parser.add_argument(
        "--jit", action="store_true", help="XLA on TensorFlow (JAX always)"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="one round of tiny cases"
    )
    return parser.parse_args()


ARGUMENTS = parse_arguments()
machine.use(ARGUMENTS.threads)

import keras  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch.nn import functional  # noqa: E402

from keras_seg import layers  # noqa: E402
from keras_seg import ops  # noqa: E402

BACKEND = keras.backend.backend()


class PeerASPP(torch.nn.Module):
    """The structure of torchvision's ASPP, dropout included."""

    def __init__(self, channels, filters, rates):
        super().__init__()
        self.branches = torch.nn.ModuleList(
            [
                self.block(channels, filters, 1, 1),
                *(self.block(channels, filters, 3, rate) for rate in rates),
            ]
        )
        self.pool = torch.nn.Sequential(
            torch.nn.AdaptiveAvgPool2d(1), self.block(channels, filters, 1, 1)
        )
        joined = filters * (len(rates) + 2)
        self.project = self.block(joined, filters, 1, 1)
        self.drop = torch.nn.Dropout(0.5)

    @staticmethod
    def block(channels, filters, size, rate):
        return torch.nn.Sequential(
            torch.nn.Conv2d(
                channels,
                filters,
                size,
                padding=rate * (size // 2),
                dilation=rate,
                bias=False,
            ),
            torch.nn.BatchNorm2d(filters),
            torch.nn.ReLU(),
        )

    def forward(self, x):
        maps = [branch(x) for branch in self.branches]
        maps.append(
            functional.interpolate(
                self.pool(x), size=x.shape[-2:], mode="bilinear"
            )
        )
        return self.drop(self.project(torch.cat(maps, dim=1)))


def drawn(*shape):
    rng = np.random.default_rng(0)
    return rng.normal(size=shape).astype("float32")


def synchronized(call):
    """`call`, returning when its results are there."""
    if BACKEND != "jax":
        return call
    import jax

    return lambda: jax.block_until_ready(call())


def runner(layer, inputs, training):
    """A function that runs ours once, compiled as `fit` would compile it.

    With `training`, the output and what a gradient of it gives for the inputs
    and the weights: nothing of the forward pass can be left out.
    """
    x = keras.ops.convert_to_tensor(inputs)
    y = layer(x)
    weights = layer.trainable_weights if hasattr(layer, "weights") else []
    seed = keras.ops.convert_to_tensor(drawn(*y.shape))
    if BACKEND == "tensorflow":
        import tensorflow as tf

        @tf.function(jit_compile=ARGUMENTS.jit)
        def forward(x):
            return layer(x)

        @tf.function(jit_compile=ARGUMENTS.jit)
        def both(x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x)
            sources = [x, *(w.value for w in weights)]
            return y, tape.gradient(y, sources, output_gradients=seed)

        run = both if training else forward
        return lambda: run(x)
    if BACKEND == "jax":
        import jax

        def apply(values, x):
            if not weights:
                return layer(x)
            state = list(zip(weights, values, strict=True))
            with keras.StatelessScope(state_mapping=state):
                return layer(x)

        def both(values, x):
            y, pull_back = jax.vjp(apply, values, x)
            return y, pull_back(seed)

        run = jax.jit(both if training else apply)
        values = [weight.value for weight in weights]
        return lambda: run(values, x)
    return torch_runner(layer, x, [w.value for w in weights], training, seed)


def torch_runner(module, x, weights, training, seed):
    if not training:

        def forward():
            with torch.inference_mode():
                return module(x)

        return forward

    def both():
        inputs = x.detach().requires_grad_()
        y = module(inputs)
        return y, torch.autograd.grad(y, [inputs, *weights], seed)

    return both


def peer_runner(module, inputs, training):
    """The same for PyTorch; `inputs` have their channels last."""
    x = torch.from_numpy(inputs).permute(0, 3, 1, 2)
    weights = []
    if isinstance(module, torch.nn.Module):
        module = module.to(memory_format=torch.channels_last)
        module.train(training)
        weights = list(module.parameters())
    with torch.inference_mode():
        shape = module(x).shape
    seed = torch.from_numpy(drawn(*np.array(shape)[[0, 2, 3, 1]]))
    return torch_runner(module, x, weights, training, seed.permute(0, 3, 1, 2))


def atrous_cases():
    cases = [
        (33, 2048, 256, (1, 6, 12, 18, 24), (False,)),
        (33, 2048, 256, (6, 12, 18), (True,)),
        (65, 2048, 256, (12, 24, 36), (False, True)),
        (65, 512, 512, (2, 4), (False, True)),
    ]
    if ARGUMENTS.smoke:
        cases = [(9, 16, 8, (6,), (False, True))]
    for size, channels, filters, rates, kinds in cases:
        for training in kinds:
            for rate in rates:
                yield (
                    f"AtrousConv {size}×{size}×{channels}→{filters}, "
                    f"rate {rate}",
                    lambda f=filters, r=rate: layers.AtrousConv(
                        f, 3, dilation_rate=r
                    ),
                    lambda c=channels, f=filters, r=rate: torch.nn.Conv2d(
                        c, f, 3, padding=r, dilation=r
                    ),
                    (1, size, size, channels),
                    training,
                )


def conv_cases():
    cases = [
        ((8, 60, 80, 144), 24, 1),
        ((8, 16, 21, 960), 160, 1),
        ((1, 120, 160, 64), 64, 3),
    ]
    if ARGUMENTS.smoke:
        cases = [((1, 9, 9, 4), 5, 1), ((1, 9, 9, 4), 5, 3)]
    for shape, filters, taps in cases:
        for training in (False, True):
            yield (
                f"Conv {taps}×{taps}, {'×'.join(map(str, shape))}→{filters}",
                lambda f=filters, k=taps: layers.Conv(f, k, padding="same"),
                lambda c=shape[-1], f=filters, k=taps: torch.nn.Conv2d(
                    c, f, k, padding=k // 2
                ),
                shape,
                training,
            )


def depthwise_cases():
    cases = [((8, 60, 80, 144), 1), ((8, 120, 160, 96), 2)]
    if ARGUMENTS.smoke:
        cases = [((1, 9, 9, 4), 2)]
    for shape, stride in cases:
        for training in (False, True):
            yield (
                f"DepthwiseConv {'×'.join(map(str, shape))}, stride {stride}",
                lambda s=stride: layers.DepthwiseConv(3, s, "same"),
                lambda c=shape[-1], s=stride: torch.nn.Conv2d(
                    c, c, 3, s, padding=1, groups=c
                ),
                shape,
                training,
            )


def aspp_cases():
    size, channels, filters = (9, 16, 8) if ARGUMENTS.smoke else (33, 2048, 256)
    rates = (6, 12, 18)
    yield (
        f"ASPP v3 {size}×{size}×{channels}→{filters}",
        lambda: layers.ASPP(filters, rates),
        lambda: PeerASPP(channels, filters, rates),
        (1, size, size, channels),
        False,
    )


def resize_cases():
    old, new, channels = (5, 33, 3) if ARGUMENTS.smoke else (65, 513, 21)
    for align_corners in (False, True):
        yield (
            f"bilinear {old}→{new}, {channels} channels, "
            f"align_corners={align_corners}",
            lambda a=align_corners: (
                lambda x: ops.resize(x, (new, new), align_corners=a)
            ),
            lambda a=align_corners: (
                lambda x: functional.interpolate(
                    x, (new, new), mode="bilinear", align_corners=a
                )
            ),
            (1, old, old, channels),
            True,
        )


def pool_cases():
    if not hasattr(layers, "MaxUnpool"):
        return
    shape = (1, 6, 8, 4) if ARGUMENTS.smoke else (4, 180, 240, 64)

    def ours():
        pool, unpool = layers.MaxPoolWithIndices(2), layers.MaxUnpool(2)
        return lambda x: unpool(*pool(x), output_size=shape[1:3])

    def peer(x):
        pooled, switches = functional.max_pool2d(x, 2, return_indices=True)
        return functional.max_unpool2d(pooled, switches, 2)

    name = "pool with switches, un-pool " + "×".join(map(str, shape))
    yield name, ours, lambda: peer, shape, False


class Trained(keras.layers.Layer):
    """A layer that is always called as in training."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, x):
        return self.layer(x, training=True)


def keras_cases():
    """Layers of `keras_seg.fast` and those of Keras that they replace."""
    small, large = (8, 60, 80, 144), (8, 120, 160, 96)
    square, map_33 = (1, 128, 128, 64), (1, 33, 33, 2048)
    if ARGUMENTS.smoke:
        small = large = square = map_33 = (1, 9, 9, 4)
    kinds = keras.layers
    pairs = [
        ("Conv 1×1", small, layers.Conv, kinds.Conv2D, (24, 1), {}),
        ("Conv 3×3 valid", square, layers.Conv, kinds.Conv2D, (64, 3), {}),
        *(
            (
                f"DepthwiseConv, stride {stride}",
                shape,
                layers.DepthwiseConv,
                kinds.DepthwiseConv2D,
                (3, stride, "same"),
                {},
            )
            for shape, stride in ((small, 1), (large, 2))
        ),
        *(
            (
                f"MaxPool {size}×{size}",
                large,
                layers.MaxPool,
                kinds.MaxPooling2D,
                (size, 2, "same"),
                {},
            )
            for size in (2, 3)
        ),
    ]
    for rate in (6, 18):
        pairs.append(
            (
                f"AtrousConv, rate {rate}",
                map_33,
                layers.AtrousConv,
                lambda *first, rate, **others: kinds.Conv2D(
                    *first, dilation_rate=rate, **others
                ),
                (256, 3),
                {"dilation_rate": rate, "padding": "same"},
            )
        )
    for name, shape, ours, theirs, first, options in pairs:
        name = f"{name}, {'×'.join(map(str, shape))}"
        for training in (False, True):
            yield (
                name,
                lambda c=ours, a=first, o=options: c(*a, **o),
                lambda c=theirs, a=first, o=options: c(*a, **o),
                shape,
                training,
            )
    name = f"BatchNorm, {'×'.join(map(str, small))}"
    kind = kinds.BatchNormalization
    yield name, layers.BatchNorm, kind, small, False
    yield (
        name,
        lambda: Trained(layers.BatchNorm()),
        lambda: Trained(kind()),
        small,
        True,
    )


def main():
    torch.set_num_threads(ARGUMENTS.threads)
    rounds = 1 if ARGUMENTS.smoke else ARGUMENTS.rounds
    compiled = " with XLA" if ARGUMENTS.jit and BACKEND == "tensorflow" else ""
    print(
        f"keras {keras.__version__} on {BACKEND}{compiled}, "
        f"torch {torch.__version__}, threads: {ARGUMENTS.threads}, "
        f"rounds: {rounds}\n"
    )
    print("| work | | ours, ms | peer, ms | ratio |")
    print("|---|---|---:|---:|---:|")
    generators = {
        "atrous": atrous_cases,
        "conv": conv_cases,
        "depthwise": depthwise_cases,
        "aspp": aspp_cases,
        "resize": resize_cases,
        "pool": pool_cases,
        "keras": keras_cases,
    }
    for group in ARGUMENTS.only:
        for name, make, make_peer, shape, training in generators[group]():
            if ARGUMENTS.match not in name:
                continue
            inputs = drawn(*shape)
            ours = synchronized(runner(make(), inputs, training))
            if group == "keras":
                peer = synchronized(runner(make_peer(), inputs, training))
            else:
                peer = peer_runner(make_peer(), inputs, training)
            times = machine.measure((ours, peer), rounds)
            mine, other = [
                statistics.median(column) for column in zip(*times, strict=True)
            ]
            ratio = statistics.median(a / b for a, b in times)
            kind = "forward, backward" if training else "forward"
            print(
                f"| {name} | {kind} | {mine:.1f} | {other:.1f} | {ratio:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
