"""What a run carries as files, and its data sets."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.tracking.record import DataSet, RoundRecord, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

TABLES_TAG = "mlflow.loggedArtifacts"
DIGEST_LENGTH = 36


def upload(client: Any, run_id: str, files: Mapping[str, bytes]) -> None:
    """Write files of a run; what is there under the same name is replaced."""
    if not files:
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = _inside(Path(folder), name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        client.log_artifacts(run_id, folder)


def files_of(record: RoundRecord) -> dict[str, bytes]:
    """Return all files of a round: its own, its pictures, the report, the tables as CSV and JSON."""
    files = {**record.files, **pictures(record.figures)}
    if record.report:
        files["report.md"] = record.report.encode()
    for name, table in record.tables.items():
        files[f"{name}.csv"] = _csv(table)
        files[f"{name}.json"] = _split_json(table)
    return files


def tables_tag(record: RoundRecord) -> dict[str, str]:
    """Return the tag by which the UI finds tables and can show those of several runs side by side."""
    if not record.tables:
        return {}
    return {TABLES_TAG: json.dumps([{"path": f"{name}.json", "type": "table"} for name in record.tables])}


def pictures(figures: Mapping[str, Figure]) -> dict[str, bytes]:
    """Return figures as files, ``plots/<name>.png``."""
    return {f"plots/{name}.png": png(figure) for name, figure in figures.items()}


def png(figure: Figure) -> bytes:
    """Return a figure as PNG at its own size and resolution."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    figure.set_canvas(FigureCanvasAgg(figure))
    figure.savefig(buffer, format="png", metadata={"Software": "labelrounds"})
    return buffer.getvalue()


def log_datasets(client: Any, run: Any, campaign: str, datasets: Sequence[DataSet]) -> None:
    """Add the data sets that the run does not have yet; nothing is read from where they lie."""
    from mlflow.entities import DatasetInput, InputTag

    present = run.inputs.dataset_inputs if run.inputs is not None else []
    known = {(entry.dataset.name, entry.dataset.digest) for entry in present}
    missing = [
        DatasetInput(_entity(campaign, data), [InputTag("mlflow.data.context", data.context)])
        for data in datasets
        if (f"{campaign}-{data.context}", data.digest[:DIGEST_LENGTH]) not in known
    ]
    if missing:
        client.log_inputs(run.info.run_id, missing)


def _entity(campaign: str, data: DataSet) -> Any:
    from mlflow.entities import Dataset

    columns = [{"name": name, "type": kind, "required": False} for name, kind in data.columns.items()]
    return Dataset(
        name=f"{campaign}-{data.context}",
        digest=data.digest[:DIGEST_LENGTH],
        source_type=data.uri.partition("://")[0] if "://" in data.uri else "local",
        source=json.dumps({"uri": data.uri}),
        schema=json.dumps({"mlflow_colspec": columns}) if columns else None,
        profile=None if data.rows is None else json.dumps({"num_rows": data.rows}),
    )


def _inside(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"artifact name {name!r} points out of the run; use a relative path without '..'")
    return path


def _csv(table: Table) -> bytes:
    import csv

    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(table.keys())
    writer.writerows(zip(*table.values(), strict=True))
    return buffer.getvalue().encode()


def _split_json(table: Table) -> bytes:
    rows = [[_plain(value) for value in row] for row in zip(*table.values(), strict=True)]
    return json.dumps({"columns": list(table), "data": rows}).encode()


def _plain(value: object) -> object:
    item = getattr(value, "item", None)  # a NumPy scalar
    plain = item() if callable(item) else value
    if isinstance(plain, float) and plain != plain:
        return None
    return plain if isinstance(plain, str | int | float | bool) or plain is None else str(plain)
