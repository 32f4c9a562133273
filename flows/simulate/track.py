"""A simulation in MLflow: an experiment a data set, a run an arm, metrics by labels."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict

from flows.simulate.report import Report
from flows.simulate.request import Request
from flows.simulate.results import Results
from infra.settings import load_settings
from tasks.models.fitting import AUTO
from tasks.simulation.analysis import Finding
from tasks.simulation.arm import mean_over_repeats
from tasks.simulation.words import chose, labeling_sentence, model_sentence, sentence

Points = dict[tuple[str, int], float]


def track(request: Request, results: Results, report: Report) -> dict[str, str]:
    """Write each arm to its run; gives addresses by name.

    Raises
    ------
    ServiceUnavailable, StackError
        From MLflow. The results are kept: the same command tracks them and runs no campaign again.
    """
    from infra.tracking.arms import ArmTracker

    tracker = ArmTracker(load_settings().mlflow_tracking_uri)
    experiment = tracker.ensure_experiment(request.name)
    links = {"MLflow": tracker.experiment_url(experiment)}
    figures = report.figures
    settings = request.protocol.to_json()
    for finding in report.findings:
        arm = finding.arm
        key = hashlib.sha256(json.dumps([settings, results.key(arm.treatment)]).encode()).hexdigest()
        links[arm.name] = tracker.log_arm(
            experiment, arm.name, key[:24],
            points=points(finding, report.full_mean(arm.treatment.model)),
            params={**asdict(arm.treatment), "data": request.uri, **settings},
            markdown=words(finding),
            figures=figures,
        )  # fmt: skip
    return links


def words(finding: Finding) -> str:
    """Say what an arm showed, in Markdown."""
    kinds = chose(finding)
    said = [sentence(finding), model_sentence(finding), labeling_sentence(finding)]
    said += [kinds and f"{AUTO} chose: {kinds}.", *finding.alarms]
    return "\n\n".join(one for one in said if one)


def points(finding: Finding, full: float) -> Points:
    """Give an arm's metrics; the step is the number of labels."""
    arm = finding.arm
    low, high = arm.band
    columns = {arm.metric: arm.mean, f"{arm.metric}_low": low, f"{arm.metric}_high": high}
    columns |= {name: mean_over_repeats(arm.values(name)) for name in arm.metrics if name != arm.metric}
    found = {
        (name, labels): float(value)
        for name, values in columns.items()
        for labels, value in zip(arm.labels, values, strict=True)
    }
    end = arm.labels[-1]
    figures = {"aubc": sum(arm.aubc) / len(arm.aubc), "full": full}
    figures |= {"seconds_select": arm.seconds_select, "seconds_train": arm.seconds_train}
    figures |= {f"labels_to/{name}": value for name, value in finding.labels_to.items() if value is not None}
    if finding.baseline in finding.against:
        figures["aubc_gain_over_random"] = finding.against[finding.baseline].mean
    found |= {(name, end): value for name, value in figures.items()}
    return {place: value for place, value in found.items() if math.isfinite(value)}
