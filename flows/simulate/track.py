"""A simulation in MLflow: an experiment a data set, a run an arm, metrics by labels."""

from __future__ import annotations

import hashlib
import json
import math

from flows.simulate.report import Report
from flows.simulate.request import Request
from flows.simulate.results import Results
from infra.settings import load_settings
from tasks.simulation.analysis import Finding, mean_over_repeats
from tasks.simulation.run import RANDOM
from tasks.simulation.words import sentence

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
        strategy = finding.arm.strategy
        key = hashlib.sha256(json.dumps([settings, results.key(strategy)]).encode()).hexdigest()
        links[strategy] = tracker.log_arm(
            experiment, strategy, key[:24],
            points=points(finding, report.full_mean),
            params={"strategy": strategy, "data": request.uri, **settings},
            markdown="\n\n".join([sentence(finding), *finding.alarms]),
            figures=figures,
        )  # fmt: skip
    return links


def points(finding: Finding, full: float) -> Points:
    """Give an arm's metrics; the step is the number of labels."""
    arm = finding.arm
    low, high = arm.band
    columns = {arm.metric: arm.mean, f"{arm.metric}_low": low, f"{arm.metric}_high": high}
    columns |= {
        name: mean_over_repeats(arm.values(name)) for name in arm.curves[0].metrics if name != arm.metric
    }
    found = {
        (name, labels): float(value)
        for name, values in columns.items()
        for labels, value in zip(arm.labels, values, strict=True)
    }
    end = arm.labels[-1]
    figures = {"aubc": sum(arm.aubc) / len(arm.aubc), "seconds_select": arm.seconds_select, "full": full}
    figures |= {f"labels_to/{name}": value for name, value in finding.labels_to.items() if value is not None}
    if RANDOM in finding.against:
        figures["aubc_gain_over_random"] = finding.against[RANDOM].mean
    found |= {(name, end): value for name, value in figures.items()}
    return {place: value for place, value in found.items() if math.isfinite(value)}
