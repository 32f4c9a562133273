"""What a simulation found: figures, sentences, pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from flows.simulate.request import Request
from flows.simulate.results import FULL, Results
from tasks.simulation.analysis import Finding, analyse, mean_over_repeats, plain, to_json
from tasks.simulation.run import Curve
from tasks.simulation.words import conditions, sentence

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Report:
    """The findings on all arms.

    Attributes
    ----------
    full
        Metrics of the whole pool's labels, one mapping a repeat.
    """

    request: Request
    results: Results
    full: tuple[Mapping[str, float], ...]
    findings: tuple[Finding, ...]

    @cached_property
    def full_mean(self) -> float:
        """The reported metric with the labels of the whole pool."""
        return float(mean_over_repeats(self._full(self.request.protocol.metric)))

    def sentences(self) -> list[str]:
        """Say what the figures show, and under which conditions."""
        said = [sentence(finding) for finding in self.findings]
        said += [f"{finding.arm.strategy}: {alarm}." for finding in self.findings for alarm in finding.alarms]
        return [*said, f"All this for: {conditions(self.request.protocol, self.full_mean)}."]

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """Draw the curves and the differences."""
        from tasks.simulation.pictures import differences, learning_curves

        name, metric = self.request.name, self.request.protocol.metric
        found = {"curves": learning_curves(self.findings, self.full_mean, f"{name}: {metric} by labels")}
        if len(self.findings) > 1:
            found["differences"] = differences(self.findings, f"{name}: what each strategy gains over random")
        return found

    def to_json(self, pictures: dict[str, str], seconds: float) -> dict[str, Any]:
        """Give the document that ``--json`` prints, without addresses in MLflow."""
        request = self.request
        return {
            "data": request.uri,
            "protocol": {**request.protocol.to_json(), "strategies": list(request.strategies)},
            "full": {
                "metric": plain(self._full(request.protocol.metric)),
                "metrics": {name: plain(self._full(name)) for name in self.full[0]},
            },
            "arms": [{**to_json(finding), "sentence": sentence(finding)} for finding in self.findings],
            "sentences": self.sentences(),
            "notes": list(request.notes),
            "items": request.data.rows,
            "data_sha256": request.data.sha256,
            "out": str(request.out),
            "pictures": pictures,
            "seconds": round(seconds, 1),
        }

    def _full(self, metric: str) -> Any:
        return np.array([one[metric] for one in self.full], np.float64)


def compare(request: Request, results: Results, found: Mapping[tuple[str, int], dict[str, Any]]) -> Report:
    """Compare the arms."""
    repeats = range(request.protocol.repeats)
    full = tuple(found[FULL, repeat]["metrics"] for repeat in repeats)
    curves = {
        strategy: [Curve(**found[strategy, repeat]) for repeat in repeats] for strategy in request.strategies
    }
    protocol = request.protocol
    findings = analyse(curves, full, protocol.metric, seed=protocol.seed)
    return Report(request, results, full, tuple(findings))
