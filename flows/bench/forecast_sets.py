"""Data sets of known truth that forecasts are tried on, each with a campaign that suits it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from tasks.simulation.data import LabelledData

MAILS = Path(__file__).resolve().parents[2] / "infra/campaigns/demo/spamassassin.parquet"


@dataclass(frozen=True)
class Known:
    """A data set and its campaign.

    Parameters
    ----------
    model
        Kind of model.
    seed_labels, batch
        Labels at the beginning, and of a round; the audit's among them.
    test_fraction
        Share of the items that holds the truth.
    """

    model: str
    seed_labels: int
    batch: int
    test_fraction: float


SETS = {
    "breast": Known("linear", 10, 10, 0.4),
    "digits": Known("forest", 20, 50, 0.4),
    "slow": Known("forest", 50, 100, 0.3),
    "rare": Known("xgboost", 50, 100, 0.3),
    "spam": Known("auto", 50, 100, 0.3),
}
"""Breast cancer and digits of scikit-learn; two synthetic sets, one of which learns slowly and one of which has 10 % of
a rare class; the demo's e-mails."""


def load_known(name: str, folder: Path) -> LabelledData:
    """Read a data set by name, or a file; `folder` takes what is made first.

    Raises
    ------
    UsageError
        There is no such set or file.
    """
    from flows.simulate.request import load_data
    from tasks.simulation.columns import Wanted

    path = MAILS if name == "spam" else Path(name)
    if name in SETS and name != "spam":
        path = folder / f"{name}.parquet"
        _frame(name).to_parquet(path)
    elif not path.exists():
        raise UsageError(f"There is no data set {name!r}: name a file, or one of {', '.join(SETS)}.")
    return load_data(str(path), Wanted("label", None, (), ()), None).data


def _frame(name: str) -> pd.DataFrame:
    import pandas as pd
    from sklearn import datasets

    if name in ("breast", "digits"):
        found = datasets.load_breast_cancer() if name == "breast" else datasets.load_digits()
        columns = [str(column).replace(" ", "_") for column in found.feature_names]
        names = [str(one) for one in found.target_names]
        X, y = found.data, found.target
    else:
        made = _SLOW if name == "slow" else _RARE
        X, y = datasets.make_classification(**made)
        columns, names = [f"x{number}" for number in range(X.shape[1])], [f"c{code}" for code in range(4)]
    frame = pd.DataFrame(X, columns=columns)
    # Numbers alone would be read as measurements.
    frame["label"] = ["class " + names[code] for code in y]
    return frame


_SLOW: dict[str, Any] = {
    "n_samples": 6_000, "n_features": 20, "n_informative": 12, "n_redundant": 4, "n_classes": 4,
    "n_clusters_per_class": 4, "class_sep": 1.2, "flip_y": 0.05, "random_state": 1,
}  # fmt: skip
_RARE: dict[str, Any] = {
    "n_samples": 5_000, "n_features": 25, "n_informative": 10, "n_redundant": 5, "n_classes": 2,
    "n_clusters_per_class": 5, "class_sep": 1.0, "flip_y": 0.01, "weights": [0.9], "random_state": 2,
}  # fmt: skip
