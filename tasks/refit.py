"""Training a round's model again on other labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.audit import evenly_drawn
from tasks.campaign import Campaign
from tasks.outputs import space_of
from tasks.supervise import weak_rows
from tasks.targets import targets_of
from tasks.train import examples_of, setting_of, with_params

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.models import Predictor, Setting
    from tasks.yardsticks import Yardstick


def anew(
    workplace: Workplace, round_: Round, campaign: Campaign, labelled: pa.Table, audit: Yardstick | None
) -> Predictor:
    """Train as the round did: with a calibration and, where the audit contradicts it, a prior of its own.

    Parameters
    ----------
    labelled : pyarrow.Table
        The labels, as the round keeps them.
    audit : Yardstick or None
        To which the prior is corrected.

    Raises
    ------
    UsageError
        The labels are too few for a model.
    """
    examples, setting = _task(workplace, round_, campaign, labelled)
    targets = targets_of(campaign)
    model: Any = targets.fit(kind_of(campaign, round_.measures or {}), examples, setting).model
    if campaign.model.prior == "audit" and audit is not None and audit.items:
        even = audit.only(evenly_drawn(audit.ids, audit.weight, campaign.seed))
        model, _ = targets.corrected(model, examples, setting, even.X, even.y)
    predictor: Predictor = model
    return predictor


def alike(
    workplace: Workplace, round_: Round, campaign: Campaign, model: Predictor, labelled: pa.Table
) -> Predictor:
    """Train a model like another one: its shares, calibration and prior stay, so that only the labels differ.

    Where a model has a part for each class, all is chosen anew.

    Raises
    ------
    UsageError
        The labels are too few for a model.
    """
    from tasks.models import Model
    from tasks.models.refit import refit

    if not isinstance(model, Model):
        return anew(workplace, round_, campaign, labelled, None)
    return refit(model, *_task(workplace, round_, campaign, labelled))


def kind_of(campaign: Campaign, measures: dict[str, Any]) -> str:
    """Give the kind that the round's model became, so that ``auto`` need not compare the kinds again."""
    from tasks.models import KINDS

    figures = measures.get("model") or {}
    # Of a model for each class the commonest kind.
    kinds = {
        name: n for name, n in (figures.get("kinds") or {figures.get("kind"): 1}).items() if name in KINDS
    }
    return str(max(kinds, key=lambda name: kinds[name])) if kinds else campaign.model.kind


def _task(workplace: Workplace, round_: Round, campaign: Campaign, labelled: pa.Table) -> tuple[Any, Setting]:
    from tasks.models import resolve_device

    measures, space = round_.measures or {}, space_of(workplace, round_)
    examples = examples_of(labelled, campaign, space, weak_rows(workplace, measures))
    device = resolve_device("auto") if round_.device == "cuda" else "cpu"
    return examples, with_params(setting_of(campaign, space, device), measures.get("search"))
