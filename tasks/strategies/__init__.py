"""What is worth labeling."""

from tasks.grammar import Spec, parse_list
from tasks.strategies.base import Selection, Strategy, committee_of, reach, score_needs, stages, wants
from tasks.strategies.candidates import Candidates
from tasks.strategies.cold_start import COLD_START, cold_start_reason
from tasks.strategies.describe import Description
from tasks.strategies.ranking import tie_key
from tasks.strategies.registry import get, names
from tasks.strategies.shortlist import Shortlist

__all__ = [
    "COLD_START",
    "Candidates",
    "Description",
    "Selection",
    "Shortlist",
    "Spec",
    "Strategy",
    "cold_start_reason",
    "committee_of",
    "get",
    "names",
    "parse_list",
    "reach",
    "score_needs",
    "stages",
    "tie_key",
    "wants",
]
