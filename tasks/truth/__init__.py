"""What to believe of several answers to one question."""

from tasks.truth.majority import majority
from tasks.truth.per_label import SetVote, majority_of_sets

__all__ = ["SetVote", "majority", "majority_of_sets"]
