"""What a simulation is asked to do, checked before anything is started."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tasks.errors import ServiceUnavailable, UsageError
from tasks.reference import Reference
from tasks.simulation.labeling import MAJORITY, labeling_specs
from tasks.simulation.protocol import SimulationProtocol
from tasks.simulation.treatment import RANDOM, Treatment, model_specs

if TYPE_CHECKING:
    from infra.settings import Settings
    from tasks.simulation.columns import Wanted
    from tasks.simulation.data import LabelledData
    from tasks.simulation.read import Loaded

_PATIENCE_SECONDS = 10.0
# Fields of candidates that no labelled file tells.
_UNKNOWN = frozenset({"cost", "groups"})


@dataclass(frozen=True)
class Request:
    """A simulation.

    Attributes
    ----------
    name
        Of the data set, for people.
    uri
        The data, as the user named it.
    data
        Where the matrices lie.
    treatments
        One arm each, of all strategies with all models and labelings; ``random`` among the strategies.
    protocol
    out
        Folder of the results.
    jobs
        Campaigns at once.
    dask
        Address of a Dask scheduler that runs them instead.
    notes
        What the user should know of the data.
    code
        Digest of the code that decides over a result.
    """

    name: str
    uri: str
    data: Reference
    treatments: tuple[Treatment, ...]
    protocol: SimulationProtocol
    out: Path
    jobs: int
    dask: str | None
    notes: tuple[str, ...]
    code: str

    @property
    def strategies(self) -> tuple[str, ...]:
        """Each once, as they were named."""
        return tuple(dict.fromkeys(one.strategy for one in self.treatments))

    @property
    def models(self) -> tuple[str, ...]:
        """Each once, as they were named."""
        return tuple(dict.fromkeys(one.model for one in self.treatments))

    @property
    def labelings(self) -> tuple[str, ...]:
        """Each once, as they were named."""
        return tuple(dict.fromkeys(one.labeling for one in self.treatments))


def treatments(strategies: str, models: str, labelings: str = MAJORITY) -> tuple[Treatment, ...]:
    """Read the arms: each strategy with each model and each labeling.

    Raises
    ------
    UsageError
        As `read_strategies`, `tasks.simulation.treatment.model_specs` and
        `tasks.simulation.labeling.labeling_specs`.
    """
    kinds = [str(spec) for spec in model_specs(models)]
    ways = [str(spec) for spec in labeling_specs(labelings)]
    return tuple(
        Treatment(name, kind, way) for name in read_strategies(strategies) for kind in kinds for way in ways
    )


def read_strategies(text: str) -> tuple[str, ...]:
    """Read the strategies to compare; random is always among them.

    Raises
    ------
    UsageError
        There is no such strategy, or one needs what a labelled file does not tell.
    """
    from tasks.strategies import get, parse_list

    names = dict.fromkeys(str(spec) for spec in parse_list(text))
    for name in names:
        lacking = get(name).needs & _UNKNOWN
        if lacking:
            raise UsageError(
                f"The strategy {name!r} needs {', '.join(lacking)}, which a simulation does not have."
            )
    return tuple(dict.fromkeys((*names, RANDOM)))


def check(arms: tuple[Treatment, ...], data: LabelledData) -> None:
    """Try the arms on the data.

    Raises
    ------
    UsageError
        A strategy is made for another number of classes, or XGBoost refuses a parameter.
    """
    from tasks.simulation.training import check_parameters
    from tasks.strategies import get

    for strategy in dict.fromkeys(one.strategy for one in arms):
        get(strategy, len(data.classes))
    for model in dict.fromkeys(one.model for one in arms):
        check_parameters(data, *model_specs(model))


def load_data(uri: str, wanted: Wanted, settings: Settings | None) -> Loaded:
    """Read the labelled data from a path, or from S3 with settings.

    Raises
    ------
    UsageError
        As `tasks.simulation.read.load`.
    """
    from tasks.pool.store import LocalStore
    from tasks.simulation.read import load

    if settings is None:
        return load(LocalStore(), uri, wanted)
    from infra.storage import Storage

    return load(Storage.from_settings(settings), uri, wanted)


def fit_protocol(protocol: SimulationProtocol, loaded: Loaded) -> tuple[SimulationProtocol, list[str]]:
    """Cut the budget to the pool, and say so.

    Raises
    ------
    UsageError
        The pool is too small.
    """
    from tasks.simulation import split

    data = loaded.data
    pool = len(split(data.y, len(data.classes), protocol, 0).pool)
    fitted = protocol.fitted(pool)
    if fitted.budget == protocol.budget:
        return protocol, []
    return fitted, [
        f"--budget {protocol.budget:,} is more than the {pool:,} items of the pool: cut to {pool:,}"
    ]


def is_remote(uri: str) -> bool:
    """Tell whether the data are in S3."""
    return uri.startswith("s3://")


def name_of(uri: str) -> str:
    """Name a data set after its file or folder."""
    return uri.rstrip("/").rsplit("/", 1)[-1].split(".", 1)[0] or "data"


def keep(data: LabelledData, settings: Settings) -> Reference:
    """Put the matrices where every process that runs a repeat can read them."""
    from infra.workplace import Workplace

    place = Workplace(settings)
    try:
        place.storage.ensure_bucket(settings.artifact_bucket)
        return place.keep("simulations", "data.npz", data.to_bytes(), len(data))
    finally:
        place.close()


def folder_name(name: str, data: Reference, protocol: SimulationProtocol) -> str:
    """Name the folder of all simulations of these data with these settings."""
    parts = json.dumps([data.sha256, protocol.of_a_repeat()], sort_keys=True)
    return f"{name}-{hashlib.sha256(parts.encode()).hexdigest()[:12]}"


def make_folder(folder: Path) -> None:
    """Make the folder of the results; UsageError when that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {folder}: the folder cannot be made: {error.strerror}.") from error


def processors() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_dask(address: str) -> None:
    """Refuse a Dask scheduler that cannot be used.

    Raises
    ------
    UsageError
        `prefect-dask` is not installed, or the address has another form than ``tcp://host:port``.
    ServiceUnavailable
        Nobody answers there.
    """
    if find_spec("prefect_dask") is None:
        raise UsageError(
            "--dask needs the package prefect-dask: `uv sync --extra dask` or `pip install prefect-dask`."
        )
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or port is None:
        raise UsageError(f"--dask {address!r} is no address; it looks like tcp://host:8786.")
    try:
        socket.create_connection((host, port), timeout=_PATIENCE_SECONDS).close()
    except OSError as error:
        raise ServiceUnavailable(f"the Dask scheduler at {address} does not answer: {error}") from error
