"""`keras-seg predict --ray`: workers, images, the memory of the driver.

    python benchmarks/ray_predict.py --images 100 1000 --workers 1 2

Writes an exported network of one convolution and small images, and predicts
them by the command itself: without Ray, and with each number of workers. A row
has the seconds of the whole command, the images a second after the first one
was noted, so that starting Ray does not count, and the largest resident memory
of the command, in which neither images nor masks are.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
from PIL import Image

from keras_seg.data import ClassTable
from keras_seg.deployment.metadata import ExportMetadata


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[100, 1000])
    parser.add_argument(
        "--workers",
        type=int,
        nargs="+",
        default=[0, 1, 2],
        help="0 is without Ray (default: 0 1 2)",
    )
    parser.add_argument(
        "--side", type=int, default=64, help="pixels (default: 64)"
    )
    parser.add_argument(
        "--kernel",
        type=int,
        default=9,
        help="side of the convolution, by which a network is slower "
        "(default: 9)",
    )
    return parser.parse_args()


def write_network(path, side):
    node, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=(3, 3, side, side)).astype("float32")
    graph = onnx.helper.make_graph(
        [
            node("Transpose", ["image"], ["a"], perm=(0, 3, 1, 2)),
            node("Conv", ["a", "kernel"], ["b"], pads=[side // 2] * 4),
            node("Transpose", ["b"], ["scores"], perm=(0, 2, 3, 1)),
        ],
        "network",
        [value("image", 1, ["n", "h", "w", 3])],
        [value("scores", 1, ["n", "h", "w", 3])],
        [onnx.numpy_helper.from_array(kernel, "kernel")],
    )
    opset = onnx.helper.make_opsetid("", 17)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=9)
    facts = ExportMetadata(
        model="network",
        format="onnx",
        class_table=ClassTable.default(3),
        size=None,
        channels=3,
        quantization=None,
        version="0",
        backend="none",
    )
    onnx.helper.set_model_props(model, {"keras_seg": facts.to_json()})
    onnx.save(model, path)


def measure(network, images, out, workers):
    """Seconds of the command, images a second, and mebibytes of the command."""
    command = [
        *(sys.executable, "-m", "keras_seg.cli", "predict"),
        *("--model", str(network), str(images), "--out", str(out)),
    ]
    if workers:
        command += ["--ray", "local", "--workers", str(workers)]
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    first, record = None, out / "predict.jsonl"
    while (
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        is None
    ):
        # The first line is of all images, the second is empty.
        if first is None and record.is_file():
            if record.read_bytes().count(b"\n") > 2:
                first = time.perf_counter()
        time.sleep(0.05)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    end = time.perf_counter()
    count = len(list(images.iterdir()))
    masks = [x for x in out.rglob("*.png")]
    assert process.returncode == 0 and len(masks) == count
    rate = (count - 1) / (end - first) if first else float("nan")
    return end - begin, rate, usage.ru_maxrss / 2**10


def main():
    arguments = parse_arguments()
    rng = np.random.default_rng(0)
    print("| images | workers | seconds | images/s | driver, MiB | load |")
    print("|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write_network(folder / "network.onnx", arguments.kernel)
        shape = (arguments.side, arguments.side, 3)
        for count in arguments.images:
            images = folder / f"images{count}"
            images.mkdir()
            for i in range(count):
                pixels = rng.integers(0, 256, shape, "uint8")
                Image.fromarray(pixels).save(images / f"{i:06}.png")
            for workers in arguments.workers:
                load = os.getloadavg()[0]
                out = folder / f"out{count}_{workers}"
                seconds, rate, memory = measure(
                    folder / "network.onnx", images, out, workers
                )
                print(
                    f"| {count:,} | {workers or 'without Ray'} | {seconds:.1f} "
                    f"| {rate:.1f} | {memory:.0f} | {load:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
