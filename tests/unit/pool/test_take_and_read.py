import csv
import gzip
import io
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import NotFound, PoolChanged, PoolRejected, ServiceUnavailable, UsageError
from tasks.pool import decode
from tasks.pool.manifest import Manifest
from tasks.pool.read import read_labels, read_pool, read_table
from tasks.pool.schema import Columns
from tasks.pool.spec import PoolSpec
from tasks.pool.store import LocalStore
from tasks.pool.take import take_manifest

STORE = LocalStore()
SUFFIXES = ("parquet", "csv", "csv.gz", "jsonl", "jsonl.gz")


def spec(**kwargs) -> PoolSpec:
    named = {"payload": ("text",), "text": ("text",), "numeric": ("n",), "categorical": ("c",)} | kwargs
    return PoolSpec("pool", "id", **named)


def rows(first: int, count: int, **changes) -> list[dict]:
    made = []
    for i in range(first, first + count):
        made.append(
            {"id": f"{i:04}", "text": f'line "{i}"\nsecond, line', "n": i / 2, "c": "ab"[i % 2], **changes}
        )
    return made


def write(path: Path, items: list[dict]) -> None:
    suffix = path.name.split(".", 1)[1]
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(items), path, row_group_size=7)
        return
    if suffix.startswith("jsonl"):
        data = "".join(json.dumps(item) + "\n" for item in items)
    else:
        sink = io.StringIO(newline="")
        writer = csv.DictWriter(sink, list(items[0]))
        writer.writeheader()
        writer.writerows(items)
        data = sink.getvalue()
    path.write_bytes(gzip.compress(data.encode()) if suffix.endswith(".gz") else data.encode())


def take(folder: Path, **kwargs) -> Manifest:
    return take_manifest(STORE, str(folder), spec(**kwargs))


def read(manifest: Manifest, **kwargs) -> pa.Table:
    chunks = list(read_pool(STORE, manifest, **kwargs))
    assert len({chunk.key for chunk in chunks}) == len(chunks)
    return pa.concat_tables([chunk.table for chunk in chunks])


def aside(manifest: Manifest) -> dict[str, int]:
    return {item.reason: item.count for item in manifest.set_aside}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_gives_the_same_table(tmp_path, suffix):
    write(tmp_path / f"a.{suffix}", rows(0, 20))
    write(tmp_path / f"b.{suffix}", rows(20, 20))
    manifest = take(tmp_path)
    assert manifest.rows == 40
    assert manifest.set_aside == ()
    assert manifest.columns == Columns("id", ("text",), ("n",), ("c",), payload=("text",))
    assert read(manifest).to_pylist() == rows(0, 40)


def test_formats_may_be_mixed(tmp_path):
    for number, suffix in enumerate(SUFFIXES):
        write(tmp_path / f"{number}.{suffix}", rows(10 * number, 10))
    manifest = take(tmp_path)
    assert read(manifest).to_pylist() == rows(0, 50)
    assert read(manifest).schema == manifest.columns.schema()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_bad_rows_are_set_aside_with_reason_and_place(tmp_path, suffix):
    bad = [{"id": "", "n": 1.0}, {"id": " ", "n": 2.0}, {"id": None, "n": 3.0}, {"id": "0003", "n": 4.0}]
    write(
        tmp_path / f"pool.{suffix}",
        rows(0, 10) + [{"text": "t", "c": "a", **item} for item in bad] + rows(10, 5),
    )
    manifest = take(tmp_path, max_set_aside=0.5)
    assert aside(manifest) == {"missing id": 3, "repeated id": 1}
    assert manifest.dropped.to_pylist() == [
        {"object_no": 0, "row_no": 10, "reason": "missing id"},
        {"object_no": 0, "row_no": 11, "reason": "missing id"},
        {"object_no": 0, "row_no": 12, "reason": "missing id"},
        {"object_no": 0, "row_no": 13, "reason": "repeated id"},
    ]
    example = manifest.set_aside[1].examples[0]
    assert example == f"{tmp_path}/pool.{suffix} row 14 has the id of {tmp_path}/pool.{suffix} row 4"
    assert read(manifest)["id"].to_pylist() == [f"{i:04}" for i in range(15)]
    assert read(manifest, names=["n"], chunk_rows=3)["id"].to_pylist() == [f"{i:04}" for i in range(15)]


def test_first_of_repeated_ids_stays_across_objects(tmp_path):
    write(tmp_path / "a.csv", rows(0, 10))
    write(tmp_path / "b.parquet", rows(5, 10))
    write(tmp_path / "c.jsonl", rows(12, 10, text="other"))
    manifest = take(tmp_path, max_set_aside=0.5)
    assert aside(manifest) == {"repeated id": 8}
    table = read(manifest)
    assert sorted(table["id"].to_pylist()) == [f"{i:04}" for i in range(22)]
    assert table["text"].to_pylist().count("other") == 7


@given(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=8), min_size=1, max_size=4))
def test_usable_rows_are_the_first_of_each_id(tmp_path_factory, shards):
    folder = tmp_path_factory.mktemp("pool")
    expected, seen = [], set()
    for number, shard in enumerate(shards):
        write(
            folder / f"{number}.jsonl",
            [{"id": i, "text": f"{number}/{at}", "n": 1, "c": "a"} for at, i in enumerate(shard)],
        )
        for at, i in enumerate(shard):
            if i not in seen:
                seen.add(i)
                expected.append((str(i), f"{number}/{at}"))
    table = read(take(folder, max_set_aside=1.0))
    assert list(zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True)) == expected


def test_wrong_types_are_set_aside_by_value(tmp_path):
    write(tmp_path / "a.csv", [*rows(0, 10), {**rows(10, 1)[0], "n": "many"}])
    write(
        tmp_path / "b.jsonl",
        [*rows(11, 5), {**rows(16, 1)[0], "n": {"x": 1}}, {**rows(17, 1)[0], "n": "3.5"}],
    )
    manifest = take(tmp_path, max_set_aside=0.5)
    assert aside(manifest) == {"wrong type": 2}
    assert manifest.set_aside[0].examples == (
        f"{tmp_path}/a.csv row 11: column 'n' is 'many'",
        f"{tmp_path}/b.jsonl row 6: column 'n' is {{'x': 1}}",
    )
    assert read(manifest)["n"].to_pylist()[-1] == 3.5


def test_malformed_rows_do_not_cost_the_object(tmp_path):
    (tmp_path / "a.csv").write_text("id,text,n,c\n1,a,1,x\n2,b\n3,c,3,y,z,z\n4,d,4,x\n")
    (tmp_path / "b.jsonl").write_text(
        '{"id": 5, "text": "e", "n": 5, "c": "x"}\n{"id": 6,\n[7]\n\n'
        '{"id": 8, "text": "h", "n": 8, "c": "x"}\n'
    )
    (tmp_path / "c.csv").write_bytes(b"id,text,n,c\n9,\xff\xfe,9,x\n10,j,10,x\n")
    manifest = take(tmp_path, max_set_aside=0.9)
    assert aside(manifest) == {"malformed row": 4, "wrong type": 1}
    assert read(manifest)["id"].to_pylist() == ["1", "4", "5", "8", "10"]


def test_unreadable_objects_are_set_aside_whole(tmp_path):
    write(tmp_path / "a.csv", rows(0, 10))
    write(tmp_path / "b.parquet", rows(10, 10))
    (tmp_path / "b.parquet").write_bytes((tmp_path / "b.parquet").read_bytes()[:-9])
    write(tmp_path / "c.jsonl.gz", rows(20, 2_000))
    (tmp_path / "c.jsonl.gz").write_bytes((tmp_path / "c.jsonl.gz").read_bytes()[:-600])
    write(tmp_path / "d.csv", [{"id": "x", "text": "t", "n": 1}])
    write(tmp_path / "e.jsonl", [{"id": "x", "text": "t", "n": 1}])
    write(tmp_path / "f.csv", rows(5, 10))
    (tmp_path / "g.txt").write_text("notes")
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / "_log").mkdir()
    write(tmp_path / "_log" / "x.csv", rows(0, 1))
    manifest = take(tmp_path, max_set_aside=0.7)
    assert aside(manifest) == {
        "missing column c": 2,
        "unreadable object": 2,
        "unknown format": 1,
        "repeated id": 5,
    }
    assert manifest.keys == (f"{tmp_path}/a.csv", f"{tmp_path}/f.csv")
    assert manifest.dropped["object_no"].to_pylist() == [1] * 5
    assert read(manifest)["id"].to_pylist() == [f"{i:04}" for i in range(15)]


def test_refused_above_the_share(tmp_path):
    write(tmp_path / "a.jsonl", rows(0, 98) + rows(0, 2))
    assert take(tmp_path, max_set_aside=0.02).rows == 98
    with pytest.raises(
        PoolRejected, match=r"2 of 100 rows \(2.00%\) cannot be used, .*repeated id: 2 \(first: .*row 99"
    ):
        take(tmp_path, max_set_aside=0.01)
    (tmp_path / "b.parquet").write_bytes(b"PAR1")
    with pytest.raises(PoolRejected, match=r"1 of 2 objects \(50.00%\)"):
        take(tmp_path, max_set_aside=0.02)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no Parquet, CSV or JSON Lines objects there"),
        ({"a.txt": "x"}, "but 1 of other formats, first .*a.txt"),
        ({"a.csv": ""}, "no object has rows"),
        ({"a.csv": "id,text,n,c\n"}, "no object has rows"),
        (
            {"a.csv": "id,text\n1,a\n", "b.csv": "id,n\n1,2\n"},
            "column 'c' of the campaign is in no object of the pool",
        ),
        ({"a.parquet": "no parquet"}, "no object can be read"),
        ({"a.csv": "id,id,text,n,c\n1,1,1,1,1\n"}, "column 'id' occurs twice"),
        ({"a.csv": "id,text,n,c\n,a,1,x\n"}, "1 of 1 rows"),
    ],
)
def test_nothing_usable(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(PoolRejected, match=message):
        take(tmp_path)


def test_prefix_is_a_folder_or_an_object(tmp_path):
    for name in ("mail", "mailbox"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "a.csv", rows(0, 3))

    class Prefix(LocalStore):
        def list(self, uri):
            return (item for item in super().list(str(tmp_path)) if item.uri.startswith(uri))

    assert take_manifest(Prefix(), f"{tmp_path}/mail", spec()).keys == (f"{tmp_path}/mail/a.csv",)
    assert take_manifest(STORE, f"{tmp_path}/mail/a.csv", spec()).rows == 3


def test_manifest_bytes(tmp_path):
    write(tmp_path / "a.csv", rows(0, 10) + rows(0, 1) + [{"id": "", "text": "", "n": 1, "c": ""}])
    manifest, again = take(tmp_path, max_set_aside=0.5), take(tmp_path, max_set_aside=0.5)
    assert manifest.to_bytes() == again.to_bytes()
    restored = Manifest.from_bytes(manifest.to_bytes())
    assert restored == manifest
    assert restored.digest == manifest.digest
    write(tmp_path / "b.csv", rows(20, 1))
    assert take(tmp_path, max_set_aside=0.5).digest != manifest.digest
    with pytest.raises(ValueError, match="not a pool manifest"):
        Manifest.from_bytes((tmp_path / "x").write_bytes(b"") or parquet_bytes())


def parquet_bytes() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), sink)
    return sink.getvalue()


def test_objects_are_pinned(tmp_path):
    write(tmp_path / "a.csv", rows(0, 10))
    manifest = take(tmp_path)
    write(tmp_path / "b.csv", rows(10, 10))
    assert read(manifest).num_rows == 10
    write(tmp_path / "a.csv", rows(0, 11))
    with pytest.raises(PoolChanged, match=r"a\.csv: the file changed"):
        read(manifest)
    (tmp_path / "a.csv").unlink()
    with pytest.raises(PoolChanged, match=r"a\.csv: gone"):
        read(manifest)


def test_chunks_are_stable_and_bounded(tmp_path):
    write(tmp_path / "a.parquet", rows(0, 50))
    manifest = take(tmp_path)
    first, second = (list(read_pool(STORE, manifest, chunk_rows=8)) for _ in range(2))
    assert [chunk.key for chunk in first] == [chunk.key for chunk in second]
    assert [chunk.table.num_rows for chunk in first] == [8] * 6 + [2]
    other = {chunk.key for chunk in read_pool(STORE, manifest, chunk_rows=8, names=["n"])}
    assert not other & {chunk.key for chunk in first}
    with pytest.raises(ValueError, match="column 'x' is not one of"):
        list(read_pool(STORE, manifest, names=["x"]))


def test_long_rows(tmp_path):
    texts = ["short", "x" * 3_000_000, "y", "z" * 20_000_000, "end"]
    items = [{"id": str(i), "text": text, "n": i, "c": "a"} for i, text in enumerate(texts)]
    csv.field_size_limit(1 << 27)
    for suffix in ("csv", "jsonl", "parquet"):
        folder = tmp_path / suffix
        folder.mkdir()
        write(folder / f"a.{suffix}", items)
        assert [len(text) for text in read(take(folder))["text"].to_pylist()] == [len(text) for text in texts]


class FailingStore(LocalStore):
    """Fails in the n-th read of the files it opens."""

    def __init__(self, error: Exception, after: int) -> None:
        self.error, self.reads = error, after

    def open(self, uri, *, etag=None):
        return FailingFile(super().open(uri, etag=etag), self)


class FailingFile(io.BufferedReader):
    def __init__(self, file, store) -> None:
        super().__init__(file.detach())
        self.store = store

    def read(self, size=-1):
        self.store.reads -= 1
        if self.store.reads < 0:
            raise self.store.error
        return super().read(size)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "error", [ServiceUnavailable("down"), ConnectionResetError("reset"), EOFError("early")]
)
def test_a_failing_store_is_not_an_unreadable_object(tmp_path, suffix, error):
    write(tmp_path / f"a.{suffix}", rows(0, 200))
    reads = itertools.count()
    failures = 0
    for after in reads:
        try:
            take_manifest(FailingStore(error, after), str(tmp_path), spec(max_set_aside=1.0))
        except ServiceUnavailable:
            failures += 1
        else:
            break
    assert failures >= 3


def test_progress_ends_with_everything(tmp_path):
    write(tmp_path / "a.csv", rows(0, 10))
    write(tmp_path / "b.csv", rows(10, 10))
    calls = []
    take_manifest(STORE, str(tmp_path), spec(), lambda *call: calls.append(call))
    assert calls[-1] == (2, 2, 20)
    assert calls == sorted(calls)


def test_embeddings_of_the_wrong_length(tmp_path):
    items = [{"id": i, "text": "t", "e": [0.5, i]} for i in range(10)] + [
        {"id": 99, "text": "t", "e": [1]},
        {"id": 98, "text": "t", "e": None},
    ]
    for suffix in ("jsonl", "parquet"):
        folder = tmp_path / suffix
        folder.mkdir()
        write(folder / f"a.{suffix}", items)
        manifest = take(folder, text=(), numeric=(), categorical=(), embedding=("e",), max_set_aside=0.5)
        assert manifest.columns.dimensions == (2,)
        assert aside(manifest) == {"wrong type": 1}
        table = read(manifest)
        assert table.schema.field("e").type == pa.list_(pa.float32(), 2)
        assert table["e"].to_pylist()[-2:] == [[0.5, 9.0], None]


def test_auto_over_tiny_objects(tmp_path):
    for number in range(6):
        write(tmp_path / f"{number}.csv", rows(number, 1))
    columns = take(tmp_path, text=(), numeric=(), categorical=()).columns
    assert (columns.text, columns.numeric, columns.categorical) == (("text",), ("n",), ("c",))


def test_spec_of_the_sample_is_read_by_csv_with_other_delimiters(tmp_path):
    (tmp_path / "a.csv").write_bytes("\ufeffid;text;n;c\r\n01;ä;1;x\r\n02;b;;y\r\n".encode())
    (tmp_path / "b.csv").write_text("id\ttext\tn\tc\n03\tc\t3\tx\n")
    table = read(take(tmp_path))
    assert table["id"].to_pylist() == ["01", "02", "03"]
    assert table["text"].to_pylist() == ["ä", "b", "c"]


# -- labelled tables ----------------------------------------------------------------------------------------


def label_file(tmp_path: Path, text: str) -> str:
    (tmp_path / "seed.csv").write_text(text)
    return str(tmp_path / "seed.csv")


def labels(uri: str, **kwargs):
    return read_labels(STORE, uri, id="id", label="label", classes=["0", "1"], **kwargs)


def test_labels_as_text_in_every_format(tmp_path):
    for suffix in SUFFIXES:
        write(tmp_path / f"x.{suffix}", [{"id": i, "label": i % 2} for i in range(4)])
        table = labels(f"{tmp_path}/x.{suffix}")
        assert table.to_pylist() == [{"id": str(i), "label": str(i % 2)} for i in range(4)]


def test_labels_with_features(tmp_path):
    columns = Columns("key", ("text",), ("n",), ("c", "label"), payload=("p",))
    write(tmp_path / "x.jsonl", [{**row, "label": "1"} for row in rows(0, 3)])
    table = labels(f"{tmp_path}/x.jsonl", columns=columns)
    assert table.schema.names == ["id", "label", "text", "n", "c"]
    assert table["n"].to_pylist() == [0.0, 0.5, 1.0]


def test_labels_in_several_objects(tmp_path):
    for number in range(2):
        write(tmp_path / f"{number}.csv", [{"id": number, "label": 0}])
    assert labels(f"{tmp_path}/")["id"].to_pylist() == ["0", "1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,label\n1,0\n2,spam\n3,\n", r"2 labels in column 'label' are none of .* '2': 'spam', '3': None"),
        ("id,label\n1,0\n1,1\n", "id '1' has two labels, '0' and '1'"),
        ("id,label\n,0\n", "1 rows cannot be used: row 1: missing id"),
        ("id,lable\n1,0\n", "missing column label"),
        ("id,label\n1,0,7\n", "another number of fields"),
    ],
)
def test_labels_that_cannot_be_used(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        labels(label_file(tmp_path, text))


def test_same_label_twice_is_one(tmp_path):
    assert labels(label_file(tmp_path, "id,label\n1,0\n2,1\n1,0\n"))["id"].to_pylist() == ["1", "2"]


def test_tables_that_are_not_there(tmp_path):
    with pytest.raises(NotFound):
        labels(f"{tmp_path}/nothing.csv")
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(UsageError, match="neither Parquet"):
        read_table(STORE, f"{tmp_path}/x.txt", id="id")


# -- memory -------------------------------------------------------------------------------------------------

MEMORY_SCRIPT = """
import re, sys
from pathlib import Path
import pandas.util
import pyarrow as pa
from tasks.pool.spec import PoolSpec
from tasks.pool.store import LocalStore
from tasks.pool.take import take_manifest
from tasks.pool.read import read_pool

def peak():  # ru_maxrss would count what the parent process had
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

folder = sys.argv[1]
before = peak()
manifest = take_manifest(LocalStore(), folder, PoolSpec(folder, "id", ("text",)))
rows = sum(chunk.table.num_rows for chunk in read_pool(LocalStore(), manifest))
after = peak()
print(rows, (after - before) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_memory_does_not_grow_with_the_pool(tmp_path, suffix):
    text = "some words that fill the row up to the length of a mail. " * 8
    for number in range(4):
        ids = [f"{number}-{i}" for i in range(100_000)]
        texts = [f"{i} {text}" for i in range(100_000)]
        table = pa.table({"id": ids, "text": texts})
        path = tmp_path / f"{number}.{suffix}"
        if suffix == "parquet":
            pq.write_table(table, path, row_group_size=100_000, use_dictionary=False)
        else:
            pa.csv.write_csv(table, path)
    command = [sys.executable, "-c", MEMORY_SCRIPT, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(decode.__file__).parents[2])}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    read_rows, grown = map(int, result.stdout.split())
    assert read_rows == 400_000
    assert grown < 150, f"{grown} MiB for a pool of 190 MB"
