"""Vectors of texts, each text encoded once.

A network's vectors cost a thousand times what TF-IDF costs, so they are kept in the object store by what was
encoded: the next round, and any campaign over the same texts with the same model, only reads them.
"""

from __future__ import annotations

import hashlib
import io
import logging
from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tasks.errors import NotFound, UsageError
from tasks.features.encoder import TextEncoder
from tasks.features.text import join_documents
from tasks.pool.store import StoredObject

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]
Keys = NDArray[np.uint64]

_CHUNK = 4_096  # texts an object
_OPEN = 8  # objects held in memory


class VectorStore(Protocol):
    """What the cache needs of a store; S3 storage has it."""

    def list(self, uri: str) -> Iterator[StoredObject]:
        """All objects below `uri`; NotFound or none where there is nothing."""
        ...

    def get(self, uri: str) -> bytes:
        """Give an object's content; NotFound where it is missing."""
        ...

    def put(self, uri: str, data: bytes) -> None:
        """Write an object, whole or not at all."""
        ...


def add_vectors(table: pa.Table, columns: tuple[str, ...], encoder: TextEncoder, name: str) -> pa.Table:
    """Append the vectors of a table's texts as a column, to be used as an embedding column is.

    Parameters
    ----------
    table : pyarrow.Table
    columns : tuple of str
        Text columns, joined row by row, bounded and freed of HTML as for TF-IDF.
    encoder : TextEncoder
    name : str
        The new column.

    Returns
    -------
    pyarrow.Table
        With a column of lists of ``encoder.dimension`` float32; null where a row has no text.
    """
    documents = join_documents(table, columns)
    present = pc.match_substring_regex(documents, r"\S").to_numpy(zero_copy_only=False)
    vectors = np.zeros((table.num_rows, encoder.dimension), np.float32)
    if present.any():
        vectors[present] = encoder.encode(documents.filter(pa.array(present)).to_pylist())
    lists = pa.FixedSizeListArray.from_arrays(
        pa.array(vectors.ravel()), encoder.dimension, mask=pa.array(~present)
    )
    return table.append_column(name, lists)


class CachedEncoder:
    """An encoder that keeps what it encoded in an object store.

    Below ``uri/<digest of the encoder's name>/`` lie pairs of objects: ``<digest>.parquet`` with the columns
    ``key`` (uint64, the head of the text's SHA-256) and ``vector``, and ``<digest>.keys`` with the keys alone,
    which is written last: vectors without keys, of a process that died in between, count as absent. Objects are
    named by their keys, so several processes may write the same ones. In memory are 16 bytes for each text in
    the store, and a few objects.

    Parameters
    ----------
    encoder : TextEncoder
    store : VectorStore
    uri : str
        Folder shared by all models and campaigns.
    """

    def __init__(self, encoder: TextEncoder, store: VectorStore, uri: str) -> None:
        self._encoder = encoder
        self._store = store
        self._folder = f"{uri.rstrip('/')}/{hashlib.sha256(encoder.name.encode()).hexdigest()[:24]}"
        self._objects: list[str] = []
        self._keys = np.zeros(0, np.uint64)  # rising
        self._object_of = np.zeros(0, np.int64)
        self._open: OrderedDict[int, tuple[Keys, Floats]] = OrderedDict()
        self._read_keys()

    @property
    def name(self) -> str:
        """The encoder's name."""
        return self._encoder.name

    @property
    def dimension(self) -> int:
        """Numbers a vector."""
        return self._encoder.dimension

    def encode(self, texts: list[str]) -> Floats:
        """Give each text's vector; only texts that no run has seen go through the network.

        Returns
        -------
        float32 (len(texts), dimension)

        Raises
        ------
        UsageError
            The encoder gives vectors of another size than it says.
        """
        keys, first, back = np.unique(_text_keys(texts), return_index=True, return_inverse=True)
        vectors = np.empty((len(keys), self.dimension), np.float32)
        missing = self._read(keys, vectors)
        for start in range(0, len(missing), _CHUNK):
            part = missing[start : start + _CHUNK]
            vectors[part] = self._encode_new(keys[part], [texts[place] for place in first[part]])
        return vectors[back]

    def _read_keys(self) -> None:
        try:
            found = [entry.uri for entry in self._store.list(self._folder) if entry.uri.endswith(".keys")]
        except NotFound:
            return  # nothing was ever written; a bucket that is missing shows when vectors are put
        for uri in sorted(found):
            self._add(uri.removesuffix(".keys"), np.frombuffer(self._store.get(uri), "<u8"))

    def _add(self, uri: str, keys: Keys) -> None:
        self._objects.append(uri)
        everything = np.concatenate([self._keys, keys.astype(np.uint64)])
        owner = np.concatenate([self._object_of, np.full(len(keys), len(self._objects) - 1)])
        self._keys, place = np.unique(everything, return_index=True)
        self._object_of = owner[place]

    def _read(self, keys: Keys, vectors: Floats) -> NDArray[np.int64]:
        """Fill in the stored vectors of `keys`; returns the places of the others."""
        if len(self._keys) == 0:
            return np.arange(len(keys))
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        owner = np.where(self._keys[place] == keys, self._object_of[place], -1)
        for number in np.unique(owner[owner >= 0]):
            wanted = np.flatnonzero(owner == number)
            stored = self._load(int(number))
            if stored is None:
                owner[wanted] = -1
                continue
            rows = np.searchsorted(stored[0], keys[wanted])
            vectors[wanted] = stored[1][rows]
        return np.flatnonzero(owner < 0)

    def _load(self, number: int) -> tuple[Keys, Floats] | None:
        """Read an object; None where it was deleted or is damaged, so that its texts are encoded again."""
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        uri = f"{self._objects[number]}.parquet"
        try:
            stored = _unpack(self._store.get(uri), self.dimension)
        except (NotFound, pa.ArrowInvalid, KeyError) as error:
            log.warning("%s cannot be read and is encoded again: %s", uri, _line(error))
            kept = self._object_of != number
            self._keys, self._object_of = self._keys[kept], self._object_of[kept]
            return None
        self._hold(number, stored)
        return stored

    def _hold(self, number: int, stored: tuple[Keys, Floats]) -> None:
        self._open[number] = stored
        while len(self._open) > _OPEN:
            self._open.popitem(last=False)

    def _encode_new(self, keys: Keys, texts: list[str]) -> Floats:
        vectors = np.ascontiguousarray(self._encoder.encode(texts), dtype=np.float32)
        if vectors.shape != (len(texts), self.dimension):
            raise UsageError(
                f"The text model {self.name!r} gave an array of shape {vectors.shape} for {len(texts)} texts; "
                f"wanted ({len(texts)}, {self.dimension})."
            )
        uri = f"{self._folder}/{hashlib.sha256(keys.astype('<u8').tobytes()).hexdigest()[:32]}"
        self._store.put(f"{uri}.parquet", _pack(keys, vectors, self.name))
        self._store.put(f"{uri}.keys", keys.astype("<u8").tobytes())
        self._add(uri, keys)
        self._hold(len(self._objects) - 1, (keys, vectors))
        return vectors


def _text_keys(texts: list[str]) -> Keys:
    heads = b"".join(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8] for text in texts)
    return np.frombuffer(heads, "<u8").astype(np.uint64)


def _pack(keys: Keys, vectors: Floats, name: str) -> bytes:
    lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), vectors.shape[1])
    table = pa.table({"key": keys, "vector": lists}).replace_schema_metadata({"encoder": name})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _unpack(data: bytes, dimension: int) -> tuple[Keys, Floats]:
    table = pq.read_table(io.BytesIO(data))
    keys = table.column("key").to_numpy()
    flat = table.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    if len(flat) != len(keys) * dimension:
        raise pa.ArrowInvalid(f"{len(flat)} numbers for {len(keys)} vectors of {dimension}")
    return keys, flat.reshape(-1, dimension)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
