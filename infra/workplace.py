"""Everything that a step of a round needs from the outside world, in one hand."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tempfile
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from infra.database.engine import connect, migrate
from infra.settings import Settings
from infra.storage import Storage
from tasks.errors import PoolChanged
from tasks.reference import Reference

if TYPE_CHECKING:
    import pyarrow as pa

    from infra.tracking import Tracker


class Workplace:
    """Database, storage and tracking of one installation.

    Parameters
    ----------
    settings
        Complete settings, as `infra.settings.load_settings` gives them.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.engine = connect(settings.database_url)
        self.storage = Storage.from_settings(settings)

    @cached_property
    def tracker(self) -> Tracker:
        """MLflow; imported when it is first needed, since that takes seconds."""
        from infra.tracking import Tracker

        return Tracker(self.settings.mlflow_tracking_uri)

    @cached_property
    def _folder(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="labelrounds-")

    def prepare(self) -> None:
        """Bring the database's schema to the newest version and make sure of the artifact bucket."""
        migrate(self.engine)
        self.storage.ensure_bucket(self.settings.artifact_bucket)

    def close(self) -> None:
        """Give the database connections back, and remove local files."""
        self.engine.dispose()
        if "_folder" in self.__dict__:
            self._folder.cleanup()

    def keep(self, folder: str, name: str, data: bytes, rows: int) -> Reference:
        """Store bytes once, under a key that carries their digest.

        Parameters
        ----------
        folder
            Below the artifact bucket, such as ``campaigns/spam/rounds/003``.
        name
            With suffix: ``batch.parquet`` becomes ``batch-<digest>.parquet``.
        """
        digest = hashlib.sha256(data).hexdigest()
        stem, _, suffix = name.partition(".")
        uri = f"s3://{self.settings.artifact_bucket}/{folder}/{stem}-{digest[:16]}.{suffix}"
        self.storage.put_once(uri, data)
        return Reference(uri, digest, rows)

    def keep_table(self, folder: str, name: str, table: pa.Table) -> Reference:
        """Store a table as Parquet."""
        import pyarrow.parquet as pq

        sink = io.BytesIO()
        pq.write_table(table, sink, compression="zstd")
        return self.keep(folder, f"{name}.parquet", sink.getvalue(), table.num_rows)

    def keep_json(self, folder: str, name: str, document: Any, rows: int) -> Reference:
        """Store a document as JSON."""
        data = json.dumps(document, indent=1, sort_keys=True).encode()
        return self.keep(folder, f"{name}.json", data, rows)

    def fetch(self, reference: Reference) -> bytes:
        """Read stored bytes and check that they are the same.

        Raises
        ------
        PoolChanged
            When the object is not what was stored.
        """
        data = self.storage.get(reference.uri)
        if hashlib.sha256(data).hexdigest() != reference.sha256:
            raise _changed(reference)
        return data

    def keep_file(self, folder: str, name: str, path: Path, sha256: str, rows: int) -> Reference:
        """Store a file of any size once, under a key that carries its digest."""
        stem, _, suffix = name.partition(".")
        uri = f"s3://{self.settings.artifact_bucket}/{folder}/{stem}-{sha256[:16]}.{suffix}"
        if not self.storage.exists(uri):
            self.storage.upload_file(uri, path)
        return Reference(uri, sha256, rows)

    def local(self, reference: Reference) -> Path:
        """Give a stored object as a local file, fetched once; it vanishes with `close`.

        Raises
        ------
        PoolChanged
            When the object is not what was stored.
        """
        path = Path(self._folder.name) / reference.sha256
        if not path.exists():
            part = path.with_suffix(".part")
            with self.storage.open(reference.uri) as source, part.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 23)
            with part.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != reference.sha256:
                raise _changed(reference)
            part.rename(path)
        return path

    def keep_array(self, folder: str, name: str, array: NDArray[Any]) -> Reference:
        """Store a matrix as NumPy's own format, without pickles."""
        sink = io.BytesIO()
        np.save(sink, array, allow_pickle=False)
        return self.keep(folder, f"{name}.npy", sink.getvalue(), len(array))

    def fetch_array(self, reference: Reference) -> NDArray[Any]:
        """Read a stored matrix."""
        return np.asarray(np.load(io.BytesIO(self.fetch(reference)), allow_pickle=False))

    def fetch_table(self, reference: Reference) -> pa.Table:
        """Read a stored table."""
        import pyarrow.parquet as pq

        return pq.read_table(io.BytesIO(self.fetch(reference)))


def _changed(reference: Reference) -> PoolChanged:
    return PoolChanged(
        f"{reference.uri}: the object is not what the round stored; restore it or open a new round"
    )
