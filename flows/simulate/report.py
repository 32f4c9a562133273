"""What a simulation found: figures, sentences, pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from flows.simulate.request import Request
from flows.simulate.results import FULL, Results
from tasks.simulation.analysis import Finding, analyse, plain, to_json
from tasks.simulation.arm import mean_over_repeats
from tasks.simulation.run import Curve
from tasks.simulation.treatment import Treatment
from tasks.simulation.words import conditions, labeling_sentence, model_sentence, sentence

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Key = tuple[Treatment, int]


@dataclass(frozen=True)
class Report:
    """The findings on all arms.

    Attributes
    ----------
    full
        Model -> what the labels of the whole pool gave it, one mapping a repeat.
    """

    request: Request
    results: Results
    full: Mapping[str, tuple[Mapping[str, Any], ...]]
    findings: tuple[Finding, ...]

    @property
    def first_model(self) -> str:
        """The one that others are compared with."""
        return self.request.models[0]

    def full_mean(self, model: str) -> float:
        """Give the reported metric of a model with the labels of the whole pool."""
        return float(mean_over_repeats(self._full(model, self.request.protocol.metric)))

    def sentences(self) -> list[str]:
        """Say what the figures show, and under which conditions."""
        said = [sentence(finding) for finding in self.findings]
        said += [one for one in map(model_sentence, self.findings) if one is not None]
        said += [one for one in map(labeling_sentence, self.findings) if one is not None]
        said += [f"{finding.arm.name}: {alarm}." for finding in self.findings for alarm in finding.alarms]
        told = conditions(self.request.protocol, self.full_mean(self.first_model), self.first_model)
        return [*said, f"All this for: {told}."]

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """Draw the curves and the differences."""
        from tasks.simulation.pictures import differences, learning_curves

        name, metric = self.request.name, self.request.protocol.metric
        level = self.full_mean(self.first_model)
        found = {"curves": learning_curves(self.findings, level, f"{name}: {metric} by labels")}
        if len(self.findings) > 1:
            gain = f"{name}: what each arm gains over {self.findings[0].baseline}"
            found["differences"] = differences(self.findings, gain)
        return found

    def to_json(self, pictures: dict[str, str], seconds: float) -> dict[str, Any]:
        """Give the document that ``--json`` prints, without addresses in MLflow."""
        request = self.request
        return {
            "data": request.uri,
            "protocol": {
                **request.protocol.to_json(),
                "strategies": list(request.strategies),
                "models": list(request.models),
                "labelings": list(request.labelings),
            },
            "baseline": self.findings[0].baseline,
            "full": self._full_json(self.first_model),
            "full_by_model": {model: self._full_json(model) for model in request.models},
            "arms": [{**to_json(finding), "sentence": sentence(finding)} for finding in self.findings],
            "sentences": self.sentences(),
            "notes": list(request.notes),
            "items": request.data.rows,
            "data_sha256": request.data.sha256,
            "out": str(request.out),
            "pictures": pictures,
            "seconds": round(seconds, 1),
        }

    def _full_json(self, model: str) -> dict[str, Any]:
        runs = self.full[model]
        return {
            "metric": plain(self._full(model, self.request.protocol.metric)),
            "metrics": {name: plain(self._full(model, name)) for name in runs[0]["metrics"]},
            "kinds": [one["kind"] for one in runs],
            "seconds_train": [one["seconds_train"] for one in runs],
        }

    def _full(self, model: str, metric: str) -> Any:
        return np.array([one["metrics"][metric] for one in self.full[model]], np.float64)


def compare(request: Request, results: Results, found: Mapping[Key, dict[str, Any]]) -> Report:
    """Compare the arms."""
    repeats = range(request.protocol.repeats)
    full = {
        model: tuple(found[Treatment(FULL, model), repeat] for repeat in repeats) for model in request.models
    }
    curves = {arm: [Curve(**found[arm, repeat]) for repeat in repeats] for arm in request.treatments}
    protocol = request.protocol
    first = [one["metrics"] for one in full[request.models[0]]]
    findings = analyse(curves, first, protocol.metric, seed=protocol.seed)
    return Report(request, results, full, tuple(findings))
