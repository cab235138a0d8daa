"""Segmentation without labels: k-means, and which class a cluster is.

scikit-learn, scikit-image and SciPy (`pip install "keras-seg[classical]"`)
are imported when they are first used.
"""

from keras_seg.unsupervised.kmeans import KMeansSegmenter
from keras_seg.unsupervised.matching import match_clusters

__all__ = ["KMeansSegmenter", "match_clusters"]
