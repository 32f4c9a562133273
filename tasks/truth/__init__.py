"""What to believe of several answers to one question, and of those who give them."""

from tasks.truth.active_lab import Worth, active_lab
from tasks.truth.answers import Answers, Belief
from tasks.truth.believe import METHODS, believe
from tasks.truth.majority import majority
from tasks.truth.overlap import needs_more
from tasks.truth.per_label import SetVote, majority_of_sets
from tasks.truth.quality import Confusions, GoldTest, Rates, agreement, confusions, gold_rates, rates
from tasks.truth.relabel import Plan, check_relabel, doubt, plan
from tasks.truth.running import Running
from tasks.truth.sets import SetBelief, believe_sets
from tasks.truth.teaching import teaching

__all__ = [
    "METHODS",
    "Answers",
    "Belief",
    "Confusions",
    "GoldTest",
    "Plan",
    "Rates",
    "Running",
    "SetBelief",
    "SetVote",
    "Worth",
    "active_lab",
    "agreement",
    "believe",
    "believe_sets",
    "check_relabel",
    "confusions",
    "doubt",
    "gold_rates",
    "majority",
    "majority_of_sets",
    "needs_more",
    "plan",
    "rates",
    "teaching",
]
