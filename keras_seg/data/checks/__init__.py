"""The check of images and masks before the first step, without Keras."""

from keras_seg.data.checks.checking import check
from keras_seg.data.checks.finding import Finding
from keras_seg.data.checks.report import Report
from keras_seg.data.checks.report import SplitSummary

__all__ = ["Finding", "Report", "SplitSummary", "check"]
