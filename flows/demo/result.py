"""What the demo found: the curves of both arms, and what the labels saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from flows.demo.arms import Arm
from infra.database import rounds
from infra.workplace import Workplace

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Point:
    """One round of an arm.

    Parameters
    ----------
    labels
        In hand: seed labels and all labels bought, those that only measure among them.
    cost
        Of the labels bought, in the campaign's currency.
    accuracy, low, high
        On the held-out part, with its 95 % interval.
    """

    round: int
    labels: int
    cost: float
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class Findings:
    """What the demo shows.

    Parameters
    ----------
    arms
        Strategy -> points, in the order of the rounds.
    full_pool
        Accuracy of the same model with the true labels of the whole pool.
    labels_to_random_end
        Labels with which the strategy reached what random reached at the end; None when it did not.
    random_labels_to_end
        Labels with which random reached what the strategy reached at the end; None when it did not.
    labels_to_full
        Labels with which the strategy came within half a point of `full_pool`; None when it did not.
    """

    strategy: str
    arms: dict[str, list[Point]]
    pool_items: int
    full_pool: float
    labels_to_random_end: float | None
    random_labels_to_end: float | None
    labels_to_full: float | None

    def to_json(self) -> dict[str, Any]:
        """Give the document that ``--json`` prints."""
        return {**asdict(self), "sentences": self.sentences()}

    def sentences(self) -> list[str]:
        """Say in plain words what the figures show, whatever they show."""
        chosen, random = self.arms[self.strategy], self.arms["random"]
        end, chosen_end = random[-1], chosen[-1]
        said = []
        if self.labels_to_random_end is None:
            said.append(f"{self.strategy} did not reach random's final accuracy of {end.accuracy:.3f}.")
        else:
            share = self.labels_to_random_end / end.labels
            said.append(
                f"{self.strategy} reached with {self.labels_to_random_end:,.0f} labels the accuracy "
                f"({end.accuracy:.3f}) that random choice reached with {end.labels:,}: {share:.0%} of the labels."
            )
        if self.random_labels_to_end is None:
            said.append(
                f"Random choice did not reach {self.strategy}'s {chosen_end.accuracy:.3f} "
                f"with the {end.labels:,} labels of the budget."
            )
        else:
            said.append(
                f"For {self.strategy}'s final {chosen_end.accuracy:.3f}, random choice needed "
                f"{self.random_labels_to_end:,.0f} labels."
            )
        if self.labels_to_full is not None:
            said.append(
                f"The same model trained on all {self.pool_items:,} labels of the pool reaches {self.full_pool:.3f}; "
                f"{self.strategy} came within half a point of it with {self.labels_to_full:,.0f} labels, "
                f"{self.labels_to_full / self.pool_items:.0%} of the pool."
            )
        return said


def find_out(place: Workplace, arms: Sequence[Arm], pool_items: int, full_pool: float) -> Findings:
    """Read the curves from the database and compare them."""
    from tasks.evaluation import labels_to_reach

    curves = {arm.strategy: curve(place, arm) for arm in arms}
    strategy = next(arm.strategy for arm in arms if arm.strategy != "random")
    chosen, random = curves[strategy], curves["random"]

    def reach(points: list[Point], target: float) -> float | None:
        return labels_to_reach([one.labels for one in points], [one.accuracy for one in points], target)

    return Findings(
        strategy=strategy,
        arms=curves,
        pool_items=pool_items,
        full_pool=full_pool,
        labels_to_random_end=reach(chosen, random[-1].accuracy),
        random_labels_to_end=reach(random, chosen[-1].accuracy),
        labels_to_full=reach(chosen, full_pool - 0.005),
    )


def curve(place: Workplace, arm: Arm) -> list[Point]:
    """Read an arm's rounds that were measured on the held-out part."""
    points = []
    for one in rounds.rounds_of(place.engine, arm.campaign):
        measures = one.measures or {}
        estimate = measures.get("estimates", {}).get("holdout", {}).get("accuracy")
        if estimate is not None:
            labels = measures["counts"]["seed"] + measures["balance"]["bought"]
            cost = measures["balance"]["spent_micro"] / 1e6
            points.append(
                Point(one.number, labels, cost, estimate["value"], estimate["low"], estimate["high"])
            )
    return points


def compare(findings: Findings) -> Figure:
    """Draw the strategy's learning curve next to random's."""
    import numpy as np

    from tasks.evaluation.plots import Curve, learning_curve

    def drawn(name: str) -> Curve:
        points = findings.arms[name]
        columns = [[getattr(one, field) for one in points] for field in ("labels", "accuracy", "low", "high")]
        labels, value, low, high = (np.array(column, dtype=float) for column in columns)
        return Curve(labels, value, low, high, name=name)

    title = "Accuracy on held-out e-mails, by labels"
    return learning_curve(drawn(findings.strategy), baseline=drawn("random"), title=title)


def full_pool_accuracy(place: Workplace, arm: Arm, table: Any) -> float:
    """Train the campaign's model on the true labels of the whole pool and measure it on the held-out part."""
    import numpy as np

    from tasks.models import Examples, fit_model
    from tasks.outputs import campaign_of, space_of
    from tasks.train import setting_of
    from tasks.yardsticks import yardsticks

    newest = rounds.rounds_of(place.engine, arm.campaign)[-1]
    campaign = campaign_of(newest)
    space = space_of(place, newest)
    y = np.array([campaign.classes.index(label) for label in table.column("label").to_pylist()])
    examples = Examples.of(space.transform(table), y)
    model = fit_model(campaign.model.kind, examples, setting_of(campaign, space, "cpu")).model
    stick = next(one for one in yardsticks(place, newest, campaign) if one.name == "holdout")
    return float((model.predict(stick.X).argmax(axis=1) == stick.y).mean())
