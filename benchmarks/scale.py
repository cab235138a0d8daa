"""Hours and dollars on many workers, simulated from what one was measured.

    KERAS_BACKEND=tensorflow python benchmarks/scale.py --measure  # scale.csv
    python benchmarks/scale.py

The first command times `keras-seg predict` on this machine and writes
scale.csv. The second reads it, lets workers take blocks of images from a
driver, fetch them from one store, predict and write masks back, and prints
what docs/scale.md shows.
"""

import argparse
import csv
import dataclasses
import datetime
import heapq
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = pathlib.Path(__file__).parent
SIDE = 2000
WINDOW = 2048
COLUMNS = (
    *("job", "pixels", "seconds", "processor_seconds", "mask_bytes"),
    *("cpus", "network", "date", "versions"),
)


@dataclasses.dataclass(frozen=True)
class Job:
    """Blocks that are alike: what one of them is, and how many there are.

    Args:
        blocks: int, how many; a worker takes one at a time.
        images: int, in a block.
        pixels: float, of an image.
        image_bytes: float, of a pixel in the store.
        seconds: float, a worker needs for an image.
        mask_bytes: float, of the mask of an image.
    """

    blocks: int
    images: int
    pixels: float
    image_bytes: float
    seconds: float
    mask_bytes: float

    @property
    def bytes_in(self):
        """Of a block."""
        return self.images * self.pixels * self.image_bytes

    @property
    def bytes_out(self):
        return self.images * self.mask_bytes


def jobs(figures):
    """The two jobs, with the measured figures of their rows.

    A JPEG of quality 90 has about 0.4 bytes a pixel, a GeoTIFF of three bands
    that is not compressed 3. The country is Switzerland, 41,285 km².
    """
    photograph, window = figures["photograph"], figures["map"]
    country = 41_285e6 / 0.5**2
    return {
        "a million photographs of 4 megapixels": Job(
            10_000, 100, 4e6, 0.4, *_of(photograph, 4e6)
        ),
        "a country of 41,285 km² at 0.5 m": Job(
            round(country / 4096**2), 1, 4096**2, 3, *_of(window, 4096**2)
        ),
    }


def _of(row, pixels):
    """Seconds and bytes of the mask, brought to another number of pixels."""
    share = pixels / float(row["pixels"])
    return share * float(row["seconds"]), share * float(row["mask_bytes"])


def simulate(job, workers, *, store, link, dispatch, start, spread):
    """Runs all blocks: the hours it takes, and the shares of that time.

    A worker asks for its next block when it begins to predict one, so that it
    fetches while it predicts. The driver hands out one block after another;
    the store sends, and receives, one block after another at its speed.

    Args:
        job: `Job`.
        workers: int.
        store: float, bytes a second the store sends, and receives.
        link: float, bytes a second a worker can fetch.
        dispatch: float, seconds the driver needs for a block.
        start: float, seconds until a worker has its model.
        spread: float, deviation of the seconds of a block over their mean.

    Returns:
        Hours, and a dictionary: the share of them that "workers", "store" and
        "driver" are busy.
    """
    rng = np.random.default_rng(0)
    mean = job.images * job.seconds
    times = np.full(job.blocks, mean)
    if spread:
        times = rng.gamma(spread**-2, mean * spread**2, job.blocks)
    # Those who ask at one time are served by when they will be free.
    asks = [(start, start, worker) for worker in range(workers)]
    driver = sends = receives = end = 0.0
    for seconds in times.tolist():
        asked, free, worker = heapq.heappop(asks)
        driver = max(driver, asked) + dispatch
        begin = max(driver, sends)
        sends = begin + job.bytes_in / store
        there = max(sends, begin + job.bytes_in / link)
        begin = max(there, free)
        heapq.heappush(asks, (begin, begin + seconds, worker))
        receives = max(receives, begin + seconds) + job.bytes_out / store
        end = max(end, receives)
    busy = {
        "workers": times.sum() / workers / end,
        "store": job.blocks * max(job.bytes_in, job.bytes_out) / store / end,
        "driver": job.blocks * dispatch / end,
    }
    return end / 3600, busy


def table(job, counts, price, **speeds):
    """Markdown: a line for each number of workers."""
    lines = [
        "| workers | hours | worker hours | dollars | workers busy | "
        "store busy | driver busy | bottleneck |",
        "|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for workers in counts:
        hours, busy = simulate(job, workers, **speeds)
        shares = " | ".join(f"{share:.0%}" for share in busy.values())
        lines.append(
            f"| {workers:,} | {hours:,.1f} | {workers * hours:,.0f} | "
            f"{workers * hours * price:,.0f} | {shares} | "
            f"{max(busy, key=busy.get)} |"
        )
    return "\n".join(lines)


def report(figures, arguments):
    """All that is printed: a sentence and a table for each job."""
    parts = []
    for name, job in jobs(figures).items():
        speeds = {
            "store": arguments.store / 8 * 1e9,
            "link": arguments.link / 8 * 1e9,
            "dispatch": 1 / arguments.driver,
            "start": arguments.start,
            "spread": arguments.spread,
        }
        terabytes = [
            job.blocks * part / 1e12 for part in (job.bytes_in, job.bytes_out)
        ]
        parts += [
            f"**{name}**: {job.blocks:,} blocks of "
            f"{job.images * job.seconds:,.0f} seconds for a worker; "
            f"{terabytes[0]:.2f} TB of images, "
            f"{terabytes[1]:.3f} TB of masks.",
            table(job, arguments.workers, arguments.price, **speeds),
        ]
    return "\n\n".join(parts)


def measure(threads):
    """The rows of scale.csv, from this machine.

    Each is the difference of two runs of the command, so that its start does
    not count.
    """
    import machine

    machine.use(threads)
    import keras

    from keras_seg.applications import DeepLabV3
    from keras_seg.data import ClassTable
    from keras_seg.training import RunFolder

    facts = {
        "cpus": threads,
        "network": "DeepLab v3 on MobileNetV2, 21 classes",
        "date": datetime.date.today().isoformat(),
        "versions": f"keras {keras.__version__} on {keras.backend.backend()}",
    }
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        classes = ClassTable.default(21)
        run = RunFolder.create(place / "run", None, classes)
        run.save_model(
            DeepLabV3("mobilenet_v2", weights=None, classes=21), "model.keras"
        )
        for job, write, sizes, options in (
            ("photograph", _photographs, (2, 6), ()),
            ("map", _raster, (1, 3), ("--tile", "1024")),
        ):
            few, many = (
                _seconds(run.path, write(place / f"{job}{n}", n), options)
                for n in sizes
            )
            more = sizes[1] - sizes[0]
            yield {
                "job": job,
                "pixels": SIDE**2 if job == "photograph" else WINDOW**2,
                "seconds": round((many[0] - few[0]) / more, 3),
                "processor_seconds": round((many[1] - few[1]) / more, 3),
                "mask_bytes": round((many[2] - few[2]) / more),
                **facts,
            }


def _photographs(folder, count):
    from PIL import Image

    folder.mkdir()
    for number in range(count):
        picture = Image.fromarray(_picture(64, number))
        picture = picture.resize((SIDE, SIDE))
        picture.save(folder / f"{number}.jpg", quality=90)
    return folder


def _raster(folder, count):
    """A GeoTIFF of some windows below each other."""
    import rasterio

    folder.mkdir()
    pixels = np.repeat(_picture(WINDOW // 16, 0), 16, 0).repeat(16, 1)
    with rasterio.open(
        folder / "map.tif",
        "w",
        driver="GTiff",
        height=count * WINDOW,
        width=WINDOW,
        count=3,
        dtype="uint8",
        tiled=True,
        crs="EPSG:2056",
        transform=rasterio.transform.from_origin(2.6e6, 1.2e6, 0.5, 0.5),
    ) as file:
        file.write(np.tile(pixels, (count, 1, 1)).transpose(2, 0, 1))
    return folder


def _picture(side, seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (side, side, 3)).astype("uint8")


def _seconds(run, folder, options):
    """On the clock, of all processors, and the bytes of the masks."""
    out = folder / "out"
    command = [sys.executable, "-m", "keras_seg.cli", "predict", run, folder]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    subprocess.run(
        [*command, "--out", out, *options],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    seconds = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    masks = [p for p in out.iterdir() if "overlay" not in p.name]
    size = sum(p.stat().st_size for p in masks if p.suffix in {".png", ".tif"})
    return seconds, used, size


def read(path=HERE / "scale.csv"):
    """The rows of the file by their jobs."""
    with open(path, newline="") as file:
        return {row["job"]: row for row in csv.DictReader(file)}


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", action="store_true", help="this machine")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[1, 10, 100, 1000, 10000]
    )
    parser.add_argument(
        "--store", type=float, default=25, help="Gbit/s, each way (25)"
    )
    parser.add_argument(
        "--link", type=float, default=1, help="Gbit/s of a worker (1)"
    )
    parser.add_argument(
        "--driver", type=float, default=20, help="blocks a second (20)"
    )
    parser.add_argument(
        "--price", type=float, default=0.1, help="dollars, worker hour (0.1)"
    )
    parser.add_argument(
        "--start", type=float, default=60, help="seconds of a worker (60)"
    )
    parser.add_argument(
        "--spread", type=float, default=0.2, help="of a block's time (0.2)"
    )
    return parser.parse_args(arguments)


def main():
    arguments = parse_arguments()
    if arguments.measure:
        rows = list(measure(arguments.threads))
        with open(HERE / "scale.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
    print(report(read(), arguments))


if __name__ == "__main__":
    main()
