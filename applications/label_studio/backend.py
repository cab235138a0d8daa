"""A network as a backend of Label Studio, which paints the classes it finds.

python applications/label_studio/backend.py RUN
"""

import argparse
import logging
import threading
import time
from xml.etree import ElementTree

import fastapi
import uvicorn
from label_studio_sdk._extensions.label_studio_tools.core.utils import io

import keras_seg
from keras_seg.cli.network import KINDS
from keras_seg.cli.network import open_network
from keras_seg.data.readers.bitmaps import pack_brush
from keras_seg.inference import confidence_maps


def controls(config, names):
    """How results name the brushes of a labeling interface and its labels."""
    root = ElementTree.fromstring(config)
    brush = root.find(".//BrushLabels")
    images = {image.get("name"): image for image in root.iter("Image")}
    if brush is None or brush.get("toName") not in images:
        raise ValueError("The labeling interface has no brush for an image.")
    labels = {}
    for label in brush.iter("Label"):
        others = label.get("predicted_values", "").split(",")
        for name in map(str.strip, (label.get("value"), *others)):
            labels[name] = label.get("alias") or label.get("value")
    if labels.keys().isdisjoint(names):
        raise ValueError(f"No label is a class of {', '.join(names)}.")
    places = {"from_name": brush.get("name"), "to_name": brush.get("toName")}
    key = images[brush.get("toName")].get("value").lstrip("$")
    return places, key, labels


def create_app(path):
    """The backend of a network."""
    source = open_network(path)
    network, names = source.load(), source.class_table.names
    changed = time.gmtime(source.path.stat().st_mtime)
    version = f"{source.path.name} {time.strftime('%F %T', changed)}"
    lock, several = threading.Lock(), source.multi_label
    app = fastapi.FastAPI(docs_url=None, redoc_url=None)

    def predicted(task, places, key, labels):
        image = io.get_local_path(task["data"][key], task_id=task["id"])
        options = {"bit_depth": source.bit_depth, "bands": source.bands}
        options["probabilities"] = True
        with lock:
            (found,) = keras_seg.predict(network, [image], **options)
        height, width = found.ids.shape[:2]
        places |= {"original_height": height, "original_width": width}
        result = []
        for i, name in enumerate(names):
            inside = found.ids[..., i] == 1 if several else found.ids == i
            if name in labels and inside.any():
                value = {"format": "rle", "rle": pack_brush(inside)}
                value["brushlabels"] = [labels[name]]
                shape = {"id": str(i), "type": "brushlabels", "value": value}
                result.append({**places, **shape, "image_rotation": 0})
        sure = float(confidence_maps(found.probabilities, several)[0].mean())
        return {"result": result, "score": sure, "model_version": version}

    @app.get("/health")
    def health():
        return {"status": "UP", "model_class": source.path.name}

    @app.post("/setup")
    def setup(body: dict):
        controls(body["schema"], names)
        return {"model_version": version}

    @app.post("/predict")
    def predict(body: dict):
        found = controls(body["label_config"], names)
        return {"results": [predicted(task, *found) for task in body["tasks"]]}

    def refuse(request, error):
        logging.getLogger("uvicorn.error").error("%r", error)
        return fastapi.responses.JSONResponse({"error": str(error)}, 422)

    for kind in (ValueError, OSError, LookupError, ElementTree.ParseError):
        app.add_exception_handler(kind, refuse)
    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", help=KINDS)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9090)
    given = parser.parse_args()
    uvicorn.run(create_app(given.network), host=given.host, port=given.port)
