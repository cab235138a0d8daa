"""`keras-seg predict --ray`: workers, images, rasters and memory.

    python benchmarks/ray_predict.py --images 100 1000 --workers 1 2
    python benchmarks/ray_predict.py --images --rasters 5000 20000 --workers 1 2

Writes an exported network of one convolution, and small images or a GeoTIFF,
and predicts them by the command itself: without Ray, and with each number of
workers. A row has the seconds of the whole command; for images, how many a
second after the first one was noted, so that starting Ray does not count; and
the largest resident memory of the command, in which neither images nor masks
are, and of a worker.
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import rasterio
from PIL import Image

from keras_seg.data import ClassTable
from keras_seg.deployment.metadata import ExportMetadata

MASKS = (".png", ".tif")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="*", default=[100, 1000])
    parser.add_argument(
        "--rasters", type=int, nargs="*", default=[], help="sides in pixels"
    )
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


def write_raster(path, side):
    """A block of noise again and again, compressed, by windows."""
    block = np.random.default_rng(0).integers(0, 256, (3, 512, 512), "uint8")
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=side,
        height=side,
        count=3,
        dtype="uint8",
        tiled=True,
        blockxsize=512,
        blockysize=512,
        compress="deflate",
        BIGTIFF="IF_SAFER",
        transform=rasterio.transform.from_origin(0, side, 1, 1),
        crs="EPSG:32633",
    ) as file:
        for _, window in file.block_windows(1):
            file.write(block[:, : window.height, : window.width], window=window)


def largest_worker():
    """Mebibytes, at most so far, of the workers that are alive."""
    found = [0.0]
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "cmdline").read_bytes().startswith(b"ray::"):
                status = (folder / "status").read_text()
                found.append(int(status.split("VmHWM:")[1].split()[0]) / 2**10)
    return max(found)


def measure(network, images, out, workers, options):
    """Runs the command.

    Returns:
        Its seconds, those after the first image was noted, and the mebibytes
        of the command and of its largest worker.
    """
    command = [
        *(sys.executable, "-m", "keras_seg.cli", "predict"),
        *("--model", str(network), str(images), "--out", str(out), *options),
    ]
    if workers:
        command += ["--ray", "local", "--workers", str(workers)]
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    first, record, largest = None, out / "predict.jsonl", 0.0
    while (
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        is None
    ):
        # Before, lines are of no image.
        if first is None and record.is_file():
            if b'"image": [' in record.read_bytes():
                first = time.perf_counter()
        largest = max(largest, largest_worker())
        time.sleep(0.2)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    end = time.perf_counter()
    assert process.returncode == 0
    return end - begin, end - (first or end), usage.ru_maxrss / 2**10, largest


def main():
    arguments = parse_arguments()
    rng = np.random.default_rng(0)
    print(
        "| what | workers | seconds | a second | command, MiB | worker, MiB |"
    )
    print("|:---|---:|---:|---:|---:|---:|")

    def compare(what, images, amount, options=()):
        for workers in arguments.workers:
            out = folder / "out"
            seconds, after, memory, largest = measure(
                folder / "network.onnx", images, out, workers, options
            )
            masks = sum(1 for x in out.rglob("*") if x.suffix in MASKS)
            assert masks == (1 if images.is_file() else amount)
            # A raster is noted when it is done.
            rate = (
                f"{amount / seconds / 1e6:.1f} megapixels"
                if images.is_file()
                else f"{(amount - 1) / after:.1f} images"
            )
            print(
                f"| {what} | {workers or 'without Ray'} | {seconds:.1f} "
                f"| {rate} | {memory:.0f} | {largest:.0f} |",
                flush=True,
            )
            shutil.rmtree(out)

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
            compare(f"{count:,} images", images, count)
        for side in arguments.rasters:
            raster = folder / f"raster{side}.tif"
            write_raster(raster, side)
            size = f"{side:,}×{side:,}"
            compare(size, raster, side**2, ("--tile", "512"))


if __name__ == "__main__":
    main()
