"""What `keras-seg evaluate` writes into the folder of a run."""

__all__ = ["report"]

EXAMPLES = 8


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
