"""A model's probabilities as Label Studio's predictions, and its tasks as rows for a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.vendors.label_studio.form import Question
from tasks.vendors.label_studio.names import FIELDS, choice_of, key_of, none_choice


def row_of(task: Any, columns: Sequence[str]) -> dict[str, Any] | None:
    """Read what a model needs of a task of Label Studio, ours or somebody else's.

    Returns
    -------
    dict or None
        Column to value, None for those that the task lacks; None for a task that has none of them.
    """
    data = task.get("data") if isinstance(task, Mapping) else None
    if not isinstance(data, Mapping):
        return None
    table = data.get(FIELDS)
    fields = table if isinstance(table, Mapping) else {}
    row = {
        column: _first(data.get(key_of(column)), fields.get(column), data.get(column)) for column in columns
    }
    return row if any(value is not None for value in row.values()) else None


def guess(
    proba: NDArray[np.float32], task: str, classes: Sequence[str], question: Question
) -> dict[str, Any] | None:
    """Turn one item's probabilities, float32 (n_classes,), into a prediction; None where there is none to make.

    Its score is how sure the model is: the probability of the likeliest class, or, where an item has a set of classes,
    that of its least sure yes or no. Label Studio's uncertainty sampling begins with the lowest: the order of least
    confidence.
    """
    if not np.isfinite(proba).all():
        return None
    if task == "multilabel":
        chosen = [choice_of(name) for name, p in zip(classes, proba, strict=True) if p > 0.5]
        chosen = chosen or [none_choice(classes)]
        score = float(np.maximum(proba, 1 - proba).min())
    else:
        chosen = [choice_of(classes[int(proba.argmax())])]
        score = float(proba.max())
    if not set(chosen) <= set(question.choices):
        return None
    result = {
        "from_name": question.name,
        "to_name": question.to_name,
        "type": "choices",
        "value": {"choices": chosen},
        "score": score,
    }
    return {"result": [result], "score": score}


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None and value != ""), None)
