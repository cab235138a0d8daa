"""What a run complains of: its error and its warning."""

__all__ = ["RunError", "RunWarning"]


class RunError(ValueError):
    """A run folder, or a run, is not as it must be; the message says why."""


class RunWarning(UserWarning):
    """A run goes on, and its owner should know something."""
