"""What cannot be exported, or is no exported network."""

__all__ = ["ExportError"]


class ExportError(ValueError):
    """A network is not exported, or a file not run; the message says why."""
