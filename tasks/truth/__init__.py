"""What to believe of several answers to one question."""

from tasks.truth.majority import majority

__all__ = ["majority"]
