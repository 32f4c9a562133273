"""What is worth labeling."""

from tasks.strategies.base import Selection, Strategy
from tasks.strategies.candidates import Candidates
from tasks.strategies.ranking import tie_key
from tasks.strategies.registry import get, names
from tasks.strategies.shortlist import Shortlist

__all__ = ["Candidates", "Selection", "Shortlist", "Strategy", "get", "names", "tie_key"]
