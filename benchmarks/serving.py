"""`keras-seg serve --api` under load, on this machine alone.

    python benchmarks/serving.py RUN/best.onnx --images CAMVID/val/images

Clients ask over kept connections, each again when it has its answer, and
compare every answer with the mask that `keras_seg.predict` finds for the
image alone. Measured are answers a second and their times with more and more
clients, the memory of the server over many requests, and what a killed worker
costs. Linux only: memory is read from /proc.
"""

import argparse
import collections
import contextlib
import http.client
import io
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

from PIL import Image

import keras_seg
from keras_seg.deployment import ExportedModel
from keras_seg.visualization.coloring import encoded
from keras_seg.visualization.coloring import mask_picture


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", type=pathlib.Path)
    parser.add_argument("--images", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=int, default=32, help="images used")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--seconds", type=float, default=15, help="of a row")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument(
        "--small", type=int, default=96, help="least side for the memory"
    )
    parser.add_argument("--only", choices=["throughput", "memory", "killed"])
    return parser.parse_args()


def bodies_of(network, images):
    """Files of images, and the answers that are right."""
    found = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        (one,) = keras_seg.predict(network, [image])
        picture = mask_picture(one.ids, network.class_table.colors)
        found.append((buffer.getvalue(), encoded(picture, "PNG")))
    different = len({answer for _, answer in found})
    assert different > len(found) / 2, "Answers are alike: take other images."
    return found


@contextlib.contextmanager
def served(network, *options):
    """A server; yields its process and its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "keras_seg.cli", "serve", network]
    command += ["--api", "--port", str(port), *options]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, **quiet)
    try:
        while True:
            try:
                ask(http.client.HTTPConnection("127.0.0.1", port), "/health")
                break
            except ConnectionError:
                assert process.poll() is None, "It does not start."
                time.sleep(0.1)
        yield process, port
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def ask(connection, path, body=None):
    connection.request("POST" if body else "GET", path, body)
    answer = connection.getresponse()
    return answer.status, answer.read()


class Load:
    """Clients that ask until they shall stop.

    Attributes:
        seconds: list of the times of right answers.
        failures: counts of other statuses, wrong masks and lost connections.
    """

    def __init__(self, port, bodies, clients):
        self.seconds = []
        self.failures = collections.Counter()
        self._port = port
        self._bodies = bodies
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._client, args=[number])
            for number in range(clients)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _client(self, number):
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        while not self._stop.is_set():
            number = (number + 1) % len(self._bodies)
            body, expected = self._bodies[number]
            begin = time.perf_counter()
            try:
                status, answer = ask(connection, "/predict", body)
            except (OSError, http.client.HTTPException):
                self.failures["connection lost"] += 1
                connection.close()
                continue
            if status != 200:
                self.failures[status] += 1
            elif answer != expected:
                self.failures["wrong mask"] += 1
            else:
                self.seconds.append(time.perf_counter() - begin)


def children_of(pid):
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()]


def mebibytes(pid):
    """The memory of a process that lies in RAM."""
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def processor_seconds(pid):
    """Those of a process and its children."""
    total = 0
    for one in (pid, *children_of(pid)):
        fields = pathlib.Path(f"/proc/{one}/stat").read_text().split(") ")[1]
        total += sum(map(int, fields.split()[11:13]))
    return total / os.sysconf("SC_CLK_TCK")


def throughput(network, bodies, clients, seconds):
    print(
        "| server | clients | answers/s | median, ms | p99, ms | processor, ms "
        "| failures |"
    )
    print("|---|---:|---:|---:|---:|---:|---|")
    for options in (
        ("--batch-size", "1", "--window", "0"),
        (),
        ("--workers", "2"),
    ):
        with served(network, *options) as (process, port):
            for count in clients:
                before = processor_seconds(process.pid)
                with Load(port, bodies, count) as load:
                    time.sleep(seconds)
                used = processor_seconds(process.pid) - before
                times = sorted(load.seconds)
                print(
                    f"| {' '.join(options) or 'default'} | {count} "
                    f"| {len(times) / seconds:.1f} "
                    f"| {1000 * statistics.median(times):.0f} "
                    f"| {1000 * times[int(0.99 * len(times))]:.0f} "
                    f"| {1000 * used / len(times):.0f} "
                    f"| {dict(load.failures) or 'none'} |",
                    flush=True,
                )


def memory(network, bodies, requests):
    """Memory after each tenth of the requests."""
    with served(network) as (process, port):
        marks = []
        with Load(port, bodies, 8) as load:
            for tenth in range(1, 11):
                while len(load.seconds) < requests * tenth / 10:
                    time.sleep(0.01)
                marks.append(round(mebibytes(process.pid)))
    print(
        f"\n{len(load.seconds)} right answers, failures: "
        f"{dict(load.failures) or 'none'}; MiB after each tenth: {marks}"
    )


def workers_of(pid):
    """Children that hold the network."""
    return [child for child in children_of(pid) if mebibytes(child) > 60]


def killed(network, bodies, seconds):
    """One of two workers is killed under the load of 8 clients."""
    with served(network, "--workers", "2") as (process, port):
        while len(workers_of(process.pid)) < 2:
            time.sleep(0.05)
        with Load(port, bodies, 8) as load:
            time.sleep(seconds)
            before = len(load.seconds)
            first, second = workers_of(process.pid)
            os.kill(first, signal.SIGKILL)
            begin = time.monotonic()
            while set(workers_of(process.pid)) - {second} in (set(), {first}):
                time.sleep(0.05)
            replaced = time.monotonic() - begin
            time.sleep(seconds)
    print(
        f"\nOne of two workers killed: {dict(load.failures) or 'no failures'} "
        f"beside {len(load.seconds)} right answers, {before} of them before; "
        f"another worker is there after {replaced:.1f} s"
    )


def main():
    arguments = parse_arguments()
    network = ExportedModel(arguments.network)
    paths = keras_seg.data.find_images([arguments.images])[: arguments.count]
    images = [keras_seg.data.read_image(path) for path in paths]
    steps = [max(1, min(x.shape[:2]) // arguments.small) for x in images]
    small = [x[::n, ::n] for x, n in zip(images, steps, strict=True)]
    sizes = {image.shape for image in images}
    print(
        f"{arguments.network.name}, {len(images)} images, {len(sizes)} sizes, "
        f"such as {images[0].shape[:2]}; {os.cpu_count()} CPUs, load "
        f"{os.getloadavg()[0]:.1f}\n"
    )
    bodies = bodies_of(network, images)
    path, seconds = arguments.network, arguments.seconds
    runs = {
        "throughput": lambda: throughput(
            path, bodies, arguments.clients, seconds
        ),
        "memory": lambda: memory(
            path, bodies_of(network, small), arguments.requests
        ),
        "killed": lambda: killed(path, bodies, seconds),
    }
    for name in [arguments.only] if arguments.only else runs:
        runs[name]()


if __name__ == "__main__":
    main()
