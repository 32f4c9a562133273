"""MLflow: one experiment per campaign, a run for the campaign, a run under it for each round.

History for people: Postgres and S3 hold the truth, and a round can be tracked again from them.
"""

from infra.tracking.artifacts import png
from infra.tracking.record import DataSet, RoundModel, RoundRecord, Table, Tracked, run_name
from infra.tracking.tracker import Status, Tracker
from infra.tracking.views import artifact_url

__all__ = [
    "DataSet",
    "RoundModel",
    "RoundRecord",
    "Status",
    "Table",
    "Tracked",
    "Tracker",
    "artifact_url",
    "png",
    "run_name",
]
