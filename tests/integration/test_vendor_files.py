"""The files connector against a real S3 server."""

from __future__ import annotations

import gzip
import json
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psutil
import pytest

from infra.storage import Storage
from tasks.vendors.connector import Fetched, Verdict
from tasks.vendors.files import FilesConnector
from tasks.vendors.registry import Tools, make
from tasks.vendors.testing import Judge, check_connector, make_offers

CLASSES = ("ham", "spam")


def connector(storage: Storage, bucket: str, **options: object) -> FilesConnector:
    made = make("files", {"uri": f"s3://{bucket}/acme", **options}, Tools("acme", "check", storage))
    assert isinstance(made, FilesConnector)
    return made


def upload(storage: Storage, bucket: str, name: str, data: bytes) -> None:
    storage.put(f"s3://{bucket}/acme/in/check/{name}", data)


def names(storage: Storage, bucket: str, folder: str) -> list[str]:
    return [found.uri.rpartition("/")[2] for found in storage.list(f"s3://{bucket}/acme/{folder}/check/")]


def rows_of(storage: Storage, bucket: str, folder: str, start: str) -> list[dict[str, object]]:
    return [
        json.loads(line)
        for found in storage.list(f"s3://{bucket}/acme/{folder}/check/")
        if found.uri.rpartition("/")[2].startswith(start)
        for line in storage.get(found.uri).splitlines()
    ]


class Vendor:
    """Works with the files in the bucket."""

    def __init__(self, storage: Storage, bucket: str) -> None:
        self.storage, self.bucket, self.uploads = storage, bucket, 0

    def tasks(self) -> list[str]:
        batches = rows_of(self.storage, self.bucket, "out", "batch-")
        gone = {row["assignment_id"] for row in rows_of(self.storage, self.bucket, "out", "withdrawn-")}
        return [str(row["assignment_id"]) for row in batches if row["assignment_id"] not in gone]

    def answer(self, assignment_id: str, label: str) -> None:
        self.uploads += 1
        row = json.dumps({"assignment_id": assignment_id, "label": label}).encode()
        upload(self.storage, self.bucket, f"{self.uploads:03d}.jsonl", row)


def test_it_keeps_the_contract(storage: Storage, bucket: str) -> None:
    check_connector(lambda: connector(storage, bucket), Vendor(storage, bucket))


def test_an_upload_that_is_not_completed_is_not_seen(storage: Storage, bucket: str) -> None:
    offers = make_offers(3)
    data = b"".join(
        json.dumps({"assignment_id": o.assignment_id, "label": "ham"}).encode() + b"\n" for o in offers
    )
    client, key = storage._client, "acme/in/check/a.jsonl"
    started = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    part = client.upload_part(Bucket=bucket, Key=key, UploadId=started, PartNumber=1, Body=data)
    made = connector(storage, bucket)
    assert made.fetch(offers, [], {}).rows == ()
    client.complete_multipart_upload(
        Bucket=bucket, Key=key, UploadId=started,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )  # fmt: skip
    fetched = made.fetch(offers, [], {})
    assert len(fetched.rows) == 3
    made.acknowledge(fetched, Judge({o.assignment_id for o in offers}, CLASSES).judge(fetched))
    (report,) = names(storage, bucket, "reports")
    assert report.startswith("a.jsonl.")
    assert report.endswith("-1.results.jsonl")  # an ETag of parts


def test_two_workers_at_once_offer_each_task_once_and_take_each_answer_once(
    storage: Storage, bucket: str
) -> None:
    offers, start = make_offers(400), Barrier(3)
    for number in range(4):
        data = b"".join(
            json.dumps({"assignment_id": o.assignment_id, "label": "ham"}).encode() + b"\n"
            for o in offers[number * 100 : number * 100 + 100]
        )
        upload(storage, bucket, f"{number}.jsonl", data)
    judge = Judge({o.assignment_id for o in offers}, CLASSES)

    def work(worker: int) -> tuple[int, int]:
        made = connector(storage, bucket, batch=30 + worker)
        start.wait()
        new = made.offer(offers)
        fetched = made.fetch(offers, [], {})
        verdicts = judge.judge(fetched)
        made.acknowledge(fetched, verdicts)
        return new, sum(one.result == "accepted" for one in verdicts)

    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(work, range(3)))
    assert sum(taken for _, taken in found) == 400
    assert sum(new for new, _ in found) >= 400  # the same file, written by two at the same moment, is both's
    there = Vendor(storage, bucket).tasks()
    assert len(there) == len(set(there)) == 400
    assert len(names(storage, bucket, "reports")) == 4
    assert connector(storage, bucket).fetch(offers, [], {}).rows == ()


def accepted(fetched: Fetched) -> list[Verdict]:
    return [Verdict(row.client_annotation_id, "accepted") for row in fetched.rows]


def lines(count: int) -> Iterator[bytes]:
    for number in range(count):
        row = {"assignment_id": str(uuid.UUID(int=number)), "label": "ham", "annotator": f"a{number % 50}"}
        yield json.dumps(row).encode() + b"\n"


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_a_million_rows_are_read_in_portions_of_bounded_memory(
    storage: Storage, bucket: str, packed: bool
) -> None:
    data = b"".join(lines(1_000_000))
    upload(storage, bucket, "a.jsonl", gzip.compress(data, 1) if packed else data)
    del data
    made, seen, process = connector(storage, bucket), set(), psutil.Process()
    before, most, began = process.memory_info().rss, 0, time.perf_counter()
    while (fetched := made.fetch([], [], {})).rows:
        seen.update(row.place for row in fetched.rows)
        made.acknowledge(fetched, accepted(fetched))
        most = max(most, process.memory_info().rss - before)
    seconds = time.perf_counter() - began
    print(f"{1_000_000 / seconds:,.0f} rows/s, {most / 2**20:.0f} MiB more")
    assert len(seen) == 1_000_000
    assert 1_000_000 / seconds > 3_000
    assert most < 400 * 2**20  # of which the test's own `seen` takes about 130


@pytest.mark.slow
def test_a_million_tasks_are_offered_once(storage: Storage, bucket: str) -> None:
    offers, made = make_offers(1_000_000), connector(storage, bucket)
    began = time.perf_counter()
    assert made.offer(offers) == 1_000_000
    print(f"{1_000_000 / (time.perf_counter() - began):,.0f} tasks/s the first time")
    began = time.perf_counter()
    assert made.offer(offers) == 0
    seconds = time.perf_counter() - began
    print(f"{seconds:.1f} s to see that nothing is new")
    assert seconds < 60
