"""Train the round's model on the labels so far."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from infra.database import rounds
from infra.database.rounds import Round
from infra.workplace import Workplace
from tasks.added import added_of
from tasks.audit import evenly_drawn
from tasks.campaign import Campaign
from tasks.doubts import doubted
from tasks.fitted import corrected, fitted_model
from tasks.given import given_model
from tasks.labelled import (
    AUDIT,
    CONFIDENCE,
    FOUND,
    KIND,
    RELEASED,
    class_codes,
    labelled_items,
    learnt_kinds,
    usable,
)
from tasks.matrices import feature_space
from tasks.outputs import campaign_of, folder, manifest_of
from tasks.reference import Reference
from tasks.search import searched
from tasks.step import step
from tasks.supervise import ask_functions, weak_rows
from tasks.targets import targets_of
from tasks.yardsticks import audit_weights

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.features import FeatureSpace
    from tasks.models import Device, Examples, Setting
    from tasks.pool.manifest import Manifest

log = logging.getLogger(__name__)


@step("train on the labels so far")
def train(workplace: Workplace, round_: Round) -> Round:
    """Fit features and model; with too few labels there is no model, and the batch is chosen by cover.

    Raises
    ------
    DeviceUnavailable
        When the campaign demands `cuda` and it does not work here.
    """
    if round_.state != "opened":
        return round_
    from tasks.models import resolve_device

    campaign = campaign_of(round_)
    device = resolve_device(campaign.model.device)
    manifest = manifest_of(workplace, round_)
    added = added_of(workplace, campaign, manifest.columns, round_.measures or {})
    fitted_on = fitted_before(workplace, round_, manifest)
    space, space_uri = feature_space(workplace, campaign, manifest, added, fitted_on)
    labelled = labelled_items(workplace, round_, campaign, manifest)
    counts = count(labelled, campaign)
    learnt = labelled.filter(usable(labelled, learnt_kinds(campaign)))
    weak = ask_functions(workplace, round_, campaign, manifest, space, learnt)
    if weak.get("rows") or campaign.predictions is not None:
        # What the labeling functions teach is a start, and so are predictions.
        counts["cold_start"] = None
    measures: dict[str, Any] = {
        **(round_.measures or {}),
        "counts": counts,
        "fitted_on": fitted_on,
        "leaks": leaks_of(labelled, campaign, manifest),
        "weak": weak,
    }
    model: Reference | None = None
    if campaign.predictions is not None:
        device = "cpu"
        model, found = given_model(workplace, round_, space)
        measures |= found
    elif counts["cold_start"] is None:
        model, found = fit(workplace, round_, labelled, space, device, weak_rows(workplace, measures))
        measures |= found
    else:
        log.info("cold start: %s", counts["cold_start"])
    return rounds.store(
        workplace.engine,
        round_,
        "trained",
        labels=workplace.keep_table(folder(round_), "labels", labelled),
        features=Reference(space_uri, space.digest, len(space.names)),
        model=model,
        device=None if model is None else device,
        measures=measures,
    )


def fit(
    workplace: Workplace,
    round_: Round,
    labelled: pa.Table,
    space: FeatureSpace,
    device: Device,
    weak: Examples | None,
) -> tuple[Reference, dict[str, Any]]:
    """Train the model, correct its prior to the audit, and list the labels that it does not believe.

    Returns
    -------
    model, measures
        Where the model is stored, and what the round keeps of it.
    """
    campaign = campaign_of(round_)
    targets = targets_of(campaign)
    examples = examples_of(labelled, campaign, space, weak)
    setting = setting_of(campaign, space, device)
    found_params = searched(workplace, round_, campaign, examples, setting)
    setting = with_params(setting, found_params)
    model, figures, unseen = fitted_model(
        workplace, targets, campaign.model.kind, examples, setting, space.digest
    )
    measures: dict[str, Any] = {"model": figures, "search": found_params}
    if campaign.model.prior == "audit":
        audit = even_audit(workplace, round_, campaign, labelled)
        X, codes = space.transform(audit), class_codes(audit, campaign)
        model, measures["prior"] = corrected(
            workplace, targets, folder(round_), model, examples, setting, X, codes
        )
    if unseen is not None:
        found = labelled.filter(usable(labelled, learnt_kinds(campaign)))
        doubts = doubted(found, workplace.fetch_array(unseen), campaign)
        measures["doubts"] = workplace.keep_table(folder(round_), "doubts", doubts).to_json()
        measures["unseen"] = unseen.to_json()
    log.info("trained on %d labels, on %s: %s", examples.items, device, figures["kind"])
    return model, measures


def even_audit(workplace: Workplace, round_: Round, campaign: Campaign, labelled: pa.Table) -> pa.Table:
    """Give the audit's labels, so many of each kind of item as the pool has: of an oversampled audit a part of them."""
    import pyarrow as pa

    audit = labelled.filter(usable(labelled, (AUDIT,)))
    ids = audit.column(manifest_of(workplace, round_).columns.id).to_pylist()
    even = evenly_drawn(ids, audit_weights(workplace, round_, ids), campaign.seed)
    return audit.filter(pa.array(even, pa.bool_()))


def fitted_before(workplace: Workplace, round_: Round, manifest: Manifest) -> str:
    """Give the digest of the manifest that the features are fitted on: an earlier one while the columns stay.

    A pool that grows keeps its features, and with them the matrices of all objects that were there before.
    """
    for earlier in reversed(rounds.rounds_of(workplace.engine, round_.campaign)):
        told = (earlier.measures or {}).get("fitted_on")
        if told is not None and earlier.number < round_.number:
            same = manifest_of(workplace, earlier).columns == manifest.columns
            return str(told) if same else manifest.digest
    return manifest.digest


def leaks_of(labelled: pa.Table, campaign: Campaign, manifest: Manifest) -> list[str]:
    """Name columns that give the label away, and warn of them."""
    from tasks.features.leakage import leaks

    found = labelled.filter(usable(labelled, learnt_kinds(campaign)))
    told = [
        f"{about}: {leak}" if about else str(leak)
        for about, y in targets_of(campaign).questions(class_codes(found, campaign))
        for leak in leaks(found, y, manifest.columns)
    ]
    for one in told:
        log.warning("%s", one)
    return told


def count(labelled: pa.Table, campaign: Campaign) -> dict[str, Any]:
    """Count labels by what they are for, and say why there is no model yet, if so."""
    from tasks.strategies import cold_start_reason

    found = labelled.filter(usable(labelled, learnt_kinds(campaign)))
    targets, codes = targets_of(campaign), class_codes(found, campaign)
    start = campaign.cold_start
    return {
        "labels": labelled.num_rows,
        "trained": found.num_rows,
        "seed": labelled.column(KIND).to_pylist().count("seed"),
        "audit": labelled.column(KIND).to_pylist().count(AUDIT),
        "released": labelled.column(KIND).to_pylist().count(RELEASED),
        "cold_start": cold_start_reason(
            targets.evidence(codes), campaign.classes, least=start.min_per_class, until=start.until_labels
        ),
        "per_class": targets.counts(codes),
        "labels_outside_pool": labelled.column(FOUND).to_pylist().count(False),
    }


def examples_of(labelled: pa.Table, campaign: Campaign, space: FeatureSpace, weak: Examples | None) -> Any:
    """Give what a model is trained on: the labels that models may see, and those of weak supervision."""
    found = labelled.filter(usable(labelled, learnt_kinds(campaign)))
    confidence = np.asarray(found.column(CONFIDENCE), dtype=np.float64)
    examples = targets_of(campaign).examples(space.transform(found), class_codes(found, campaign), confidence)
    return examples if weak is None else examples.plus(weak)


def with_params(setting: Setting, found: dict[str, Any] | None) -> Setting:
    """Add the parameters that a search found, below those of the campaign."""
    return setting if found is None else replace(setting, params={**found["params"], **setting.params})


def setting_of(campaign: Campaign, space: FeatureSpace, device: Device) -> Setting:
    """Give what a model of the campaign is trained with."""
    from tasks.models import Setting

    return Setting(
        n_classes=len(campaign.classes),
        names=space.names,
        types=space.types,
        view=space.view,
        device=device,
        seed=campaign.seed,
        params=dict(campaign.model.params),
        class_weight=campaign.model.class_weight,
        calibrate=campaign.model.calibration == "auto",
    )
