"""What `keras-seg evaluate` writes into the folder of a run."""

import json

from keras_seg.cli.earlier import digest

__all__ = ["EvaluationRecord", "report", "trained_on"]

EXAMPLES = 8
# What the names of the files end with.
PARTS = (
    *(".csv", "_images.csv", "_worst.png", "_confusion.png"),
    *("_trimap.csv", "_trimap.png"),
)


def report(run, name, found, pairs, model):
    """Writes tables, and pictures where they can be drawn.

    Args:
        run: `keras_seg.training.RunFolder`.
        name: str, what the names of the files begin with.
        found: `keras_seg.inference.Evaluation`.
        pairs: `keras_seg.data.Folder`, what was evaluated.
        model: `keras.Model`, what predicted.

    Returns:
        List of paths.
    """
    from keras_seg import visualization
    from keras_seg.inference import predict

    written = [run.write_table(f"{name}.csv", found.rows())]
    written.append(
        run.write_table(
            f"{name}_images.csv",
            [
                {"image": str(pair.image), "mean_iou": float(value)}
                for pair, value in zip(
                    pairs.pairs, found.per_image, strict=True
                )
            ],
        )
    )
    pictures = {}
    examples = []
    for index in found.worst(EXAMPLES):
        image, mask = pairs[index]
        title = f"{pairs.pairs[index].stem}: {found.per_image[index]:.3f}"
        examples.append((title, image, mask, predict(model, image)))
    if examples:
        pictures["worst"] = visualization.comparison(examples, found.classes)
    if visualization.can_plot():
        pictures["confusion"] = visualization.confusion(
            found.matrix, found.classes.names
        )
        if found.bands is not None:
            pictures["trimap"] = visualization.trimap_curve(found.bands)
    if found.bands is not None:
        rows = [
            {"width": width, "mean_iou": float(band.mean_iou)}
            for width, band in found.bands.items()
        ]
        written.append(run.write_table(f"{name}_trimap.csv", rows))
    for part, picture in pictures.items():
        run.write_picture(f"{name}_{part}.png", picture)
        written.append(run.path / f"{name}_{part}.png")
    return written


class EvaluationRecord:
    """Of what data and model the files of an evaluation are.

    Args:
        run: `keras_seg.training.RunFolder`.
        name: str, what the names of the files begin with.
        facts: dictionary, what is evaluated now.
    """

    def __init__(self, run, name, facts):
        self._run, self._name, self._facts = run, name, facts
        try:
            text = (run.path / f"{name}.json").read_text(encoding="utf-8")
            self._earlier = dict(json.loads(text))
        except (OSError, ValueError, TypeError):
            self._earlier = {}

    def refuse_other_data(self):
        """Refuses to replace the evaluation of other data.

        Raises:
            ValueError: if there is one.
        """
        table = self._run.path / f"{self._name}.csv"
        same = self._earlier.get("fingerprint") == self._facts["fingerprint"]
        if table.exists() and not same:
            raise ValueError(
                f"{table} is of other data: "
                f"{self._earlier.get('data', 'it is not known which')}. Fix: "
                "--name NAME for other names of the files, or --overwrite."
            )

    def remove_earlier(self):
        """Removes all files of an earlier evaluation that was not the same."""
        known = {key: self._earlier.get(key) for key in self._facts}
        for part in () if known == self._facts else PARTS:
            (self._run.path / f"{self._name}{part}").unlink(missing_ok=True)

    def write(self):
        """Notes what the files are of."""
        text = json.dumps(self._facts, indent=2) + "\n"
        self._run.write_text(f"{self._name}.json", text)


def trained_on(run, pairs, fingerprint):
    """Says how many of the images the run was trained on.

    By the fingerprint where they are all of them; else by the content of the
    files, if the data of the run are where they were.

    Args:
        run: `keras_seg.training.RunFolder`.
        pairs: `keras_seg.data.Folder`, what is evaluated.
        fingerprint: str, that of `pairs`.

    Returns:
        str, a sentence, or "".
    """
    facts = (run.data or {}).get("train")
    if isinstance(facts, dict) and facts.get("fingerprint") == fingerprint:
        count = len(pairs)
    else:
        count = _shared(run, pairs)
    if not count:
        return ""
    return (
        f"{count} of the {len(pairs)} images were trained on: their scores "
        "say nothing of images that the model has not seen."
    )


def _shared(run, pairs):
    from keras_seg.training.source import recorded_source

    source = recorded_source(run)
    if source is None:
        return 0
    try:
        trained, _ = source.read(check=False)
        images = [pair.image for pair in trained.pairs]
        sizes = {image.stat().st_size for image in images}
        found = [pair.image for pair in pairs.pairs]
        found = [image for image in found if image.stat().st_size in sizes]
        contents = set(map(digest, images)) if found else set()
    except (ValueError, OSError):
        return 0  # They are elsewhere by now, or were changed.
    return sum(digest(image) in contents for image in found)
