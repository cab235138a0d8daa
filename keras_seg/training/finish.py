"""The end of a run: scores, the confusion matrix, the model card."""

from keras_seg import visualization
from keras_seg.inference import evaluate
from keras_seg.training.card import model_card
from keras_seg.training.curves_file import CurvesFile

__all__ = ["finish"]


def finish(run, data, held_out, saving):
    """Evaluates the model as it is on the disk, and writes what it gives.

    `README.md` comes last: a run without it is not finished.

    Args:
        run: `keras_seg.training.RunFolder`.
        data: what to evaluate on.
        held_out: bool, whether `data` was not trained on.
        saving: `SaveRun`, the callback of the run.
    """
    found = evaluate(run.load_model(), data, classes=run.classes)
    run.write_table("per_class_iou.csv", found.rows())
    CurvesFile(run).draw(saving.rows, saving.best_epoch, always=True)
    if visualization.can_plot():
        picture = visualization.confusion(found.matrix, run.classes.names)
        run.write_picture("confusion.png", picture)
    else:
        run.log("No curves.png and confusion.png: matplotlib is missing.")
    run.log(f"Finished: mean IoU {found.scores.mean_iou:.4f}.")
    card = model_card(run, found, held_out, saving.rows, saving.best_epoch)
    run.write_text("README.md", card)
