"""The check of images and masks before the first step, without Keras."""

from keras_seg.data.check.checking import check
from keras_seg.data.check.finding import Finding
from keras_seg.data.check.report import Report
from keras_seg.data.check.report import SplitSummary

__all__ = ["Finding", "Report", "SplitSummary", "check"]
