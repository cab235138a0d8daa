"""A network as a nuclio function of CVAT, which outlines what it finds.

    python applications/cvat/main.py RUN/best.onnx --out FUNCTION

writes the folder that `nuctl deploy` takes.
"""

import argparse
import base64
import json
import pathlib
import shutil
import tempfile

import yaml

import keras_seg
from keras_seg.data.outline_files import outlined
from keras_seg.data.outlines import one_ring
from keras_seg.data.readers.polygons import fill
from keras_seg.deployment import ExportedModel

FOLDER = pathlib.Path(__file__).parent


def init_context(context):
    """Opens the network that lies beside, once for each worker."""
    context.user_data.network = ExportedModel(FOLDER / "network.onnx")


def handler(context, event):
    """Answers a request of CVAT for the shapes in an image."""
    least = event.body.get("threshold")
    with tempfile.NamedTemporaryFile() as file:
        file.write(base64.b64decode(event.body["image"]))
        file.flush()
        try:
            answer = shapes(context.user_data.network, file.name, least)
            status = 200
        except ValueError as error:
            answer, status = {"error": str(error)}, 422
    return context.Response(
        body=json.dumps(answer),
        content_type="application/json",
        status_code=status,
    )


def shapes(network, path, least=None):
    """A mask and a polygon for each region of an image."""
    (found,) = keras_seg.predict(
        network, [path], probabilities=True, least=least
    )
    table, answer = network.class_table, []
    image = outlined(path, found.ids, table)
    for label, rings in image.outlines:
        ring = one_ring(rings)
        region = fill([ring], image.size)
        sure = found.probabilities[region.window()][region.inside, label]
        rows, columns = region.inside.shape
        corner = region.left + columns - 1, region.top + rows - 1
        pixels = region.inside.astype("uint8").ravel().tolist()
        answer.append(
            {
                "confidence": f"{sure.mean(dtype=float):.4f}",
                "label": table.names[label],
                "points": ring.ravel().tolist(),
                # Not run lengths: CVAT makes them of the pixels.
                "mask": [*pixels, region.left, region.top, *corner],
                "type": "mask",
            }
        )
    return answer


def write(network, out):
    """Writes the folder of a function whose labels are the classes."""
    names = ExportedModel(network).class_table.names
    function = yaml.safe_load((FOLDER / "function.yaml").read_text("utf-8"))
    labels = [{"id": i, "name": n, "type": "mask"} for i, n in enumerate(names)]
    function["metadata"]["annotations"]["spec"] = json.dumps(labels)
    out.mkdir(parents=True)
    (out / "function.yaml").write_text(yaml.safe_dump(function), "utf-8")
    shutil.copy(__file__, out / "main.py")
    shutil.copy(network, out / "network.onnx")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", help="what keras-seg export wrote, .onnx")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    write(**vars(parser.parse_args()))
