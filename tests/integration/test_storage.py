"""Storage against a real S3 server."""

from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from infra.storage import READ_AHEAD, Storage
from tasks.errors import NotFound, PoolChanged, RoundError, ServiceUnavailable, SettingsError, UsageError


def test_a_listing_goes_past_a_thousand_objects_in_order(storage: Storage, bucket: str) -> None:
    keys = [f"pool/{number:05d}" for number in range(1_050)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda key: storage.put(f"s3://{bucket}/{key}", b"x"), keys))
    found = list(storage.list(f"s3://{bucket}/pool/"))
    assert [entry.uri for entry in found] == [f"s3://{bucket}/{key}" for key in keys]
    assert {entry.size for entry in found} == {1}


def test_a_listing_is_of_one_directory_and_in_the_order_of_uris(storage: Storage, bucket: str) -> None:
    for key in ("pool/a/1", "pool/a-b", "pool2/x", "pool/a.b", "pool/é ü+%41"):
        storage.put(f"s3://{bucket}/{key}", b"data")
    storage.put(f"s3://{bucket}/pool/empty/", b"")
    uris = [entry.uri for entry in storage.list(f"s3://{bucket}/pool")]
    assert uris == sorted(
        f"s3://{bucket}/{key}" for key in ("pool/a/1", "pool/a-b", "pool/a.b", "pool/é ü+%41")
    )
    assert storage.get(f"s3://{bucket}/pool/é ü+%41") == b"data"
    assert len(list(storage.list(f"s3://{bucket}"))) == 5


def test_an_object_lists_as_itself_and_an_empty_prefix_as_nothing(storage: Storage, bucket: str) -> None:
    storage.put(f"s3://{bucket}/one.csv", b"abc")
    (entry,) = storage.list(f"s3://{bucket}/one.csv")
    assert (entry.uri, entry.size) == (f"s3://{bucket}/one.csv", 3)
    assert list(storage.list(f"s3://{bucket}/none/")) == []


def test_an_open_object_reads_and_seeks_like_a_file(storage: Storage, bucket: str) -> None:
    data = bytes(range(256)) * (2 * READ_AHEAD // 256) + b"the end"
    storage.put(f"s3://{bucket}/big", data)
    with storage.open(f"s3://{bucket}/big") as file:
        file.seek(-7, 2)
        assert file.read() == b"the end"
        assert file.read(1) == b""
        file.seek(READ_AHEAD - 3)
        assert file.read(10) == data[READ_AHEAD - 3 : READ_AHEAD + 7]
        file.seek(0)
        assert file.read() == data


def test_an_empty_object_is_an_empty_file(storage: Storage, bucket: str) -> None:
    storage.put(f"s3://{bucket}/empty", b"")
    assert storage.get(f"s3://{bucket}/empty") == b""


def test_another_version_than_the_listed_is_refused(storage: Storage, bucket: str) -> None:
    uri = f"s3://{bucket}/shard"
    storage.put(uri, b"old")
    (listed,) = storage.list(uri)
    assert storage.open(uri, etag=listed.etag).read() == b"old"
    storage.put(uri, b"new")
    with pytest.raises(PoolChanged, match=uri):
        storage.open(uri, etag=listed.etag)
    with pytest.raises(PoolChanged, match="gone"):
        storage.open(f"s3://{bucket}/gone", etag=listed.etag)


def test_a_change_while_reading_is_noticed(storage: Storage, bucket: str) -> None:
    uri = f"s3://{bucket}/shard"
    storage.put(uri, b"a" * (READ_AHEAD + 10))
    with storage.open(uri) as file:
        assert file.read(1) == b"a"
        storage.put(uri, b"b" * (READ_AHEAD + 10))
        file.seek(READ_AHEAD + 1)
        with pytest.raises(PoolChanged, match=uri):
            file.read(1)


def test_put_once_keeps_the_first_content(storage: Storage, bucket: str) -> None:
    uri = f"s3://{bucket}/once"
    storage.put_once(uri, b"first")
    storage.put_once(uri, b"first")
    with pytest.raises(RoundError, match="other content"):
        storage.put_once(uri, b"second")
    assert storage.get(uri) == b"first"


def test_of_many_writers_at_once_one_content_stays(storage: Storage, bucket: str) -> None:
    uri, start = f"s3://{bucket}/race", threading.Barrier(8)

    def write(content: bytes) -> bool:
        start.wait()
        try:
            storage.put_once(uri, content)
        except RoundError:
            return False
        return True

    contents = [b"%d" % (number % 4) for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(write, contents))
    kept = storage.get(uri)
    assert [content == kept for content in contents] == won


def test_put_once_knows_objects_that_others_wrote(storage: Storage, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    storage.upload_file(f"s3://{bucket}/file", tmp_path / "file")
    storage.put_once(f"s3://{bucket}/file", b"content")
    with pytest.raises(RoundError):
        storage.put_once(f"s3://{bucket}/file", b"other")


def test_a_presigned_address_is_the_only_way_in_without_keys(storage: Storage, bucket: str) -> None:
    uri = f"s3://{bucket}/secret"
    storage.put(uri, b"for you")
    with urllib.request.urlopen(storage.presign(uri, 60)) as answer:
        assert answer.read() == b"for you"
    for path in ("", bucket, f"{bucket}/secret"):
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"{storage.endpoint}/{path}")


def test_what_is_missing_is_named(storage: Storage, bucket: str) -> None:
    with pytest.raises(NotFound, match=f"s3://{bucket}/none"):
        storage.get(f"s3://{bucket}/none")
    assert not storage.exists(f"s3://{bucket}/none")
    for attempt in (
        lambda: storage.list("s3://no-such-bucket/x"),
        lambda: storage.get("s3://no-such-bucket/x"),
        lambda: storage.put("s3://no-such-bucket/x", b""),
        lambda: storage.put_once("s3://no-such-bucket/x", b""),
    ):
        with pytest.raises(NotFound, match="no bucket no-such-bucket at http"):
            attempt()


def test_ensure_bucket_twice_is_one_bucket(storage: Storage, bucket: str) -> None:
    storage.ensure_bucket(bucket)
    assert storage.buckets().count(bucket) == 1


def test_wrong_keys_are_a_matter_of_settings(storage: Storage, bucket: str, tmp_path: Path) -> None:
    stranger = Storage(
        endpoint=storage.endpoint, access_key_id="wrong", secret_access_key="wrong", region="us-east-1"
    )
    (tmp_path / "file").write_bytes(b"")
    for attempt in (
        lambda: stranger.list(f"s3://{bucket}/"),
        lambda: stranger.put(f"s3://{bucket}/x", b""),
        lambda: stranger.upload_file(f"s3://{bucket}/x", tmp_path / "file"),
        lambda: stranger.ensure_bucket(bucket),
    ):
        with pytest.raises(SettingsError, match="LABELROUNDS_S3_ACCESS_KEY_ID"):
            attempt()


def test_a_store_that_does_not_answer_is_named_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
    nobody = Storage(
        endpoint=endpoint, access_key_id="a", secret_access_key="b", region="us-east-1", attempts=1
    )
    (tmp_path / "file").write_bytes(b"")
    for attempt in (
        lambda: nobody.get("s3://bucket/key"),
        lambda: nobody.upload_file("s3://bucket/key", tmp_path / "file"),
    ):
        with pytest.raises(ServiceUnavailable, match=endpoint) as error:
            attempt()
        assert "\n" not in str(error.value)


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    storage: Storage, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    _through(storage.endpoint, storage).put(f"s3://{bucket}/x", b"x")
    assert storage.exists(f"s3://{bucket}/x")


def test_a_body_that_breaks_off_is_read_again(storage: Storage, bucket: str) -> None:
    data = b"0123456789" * 100_000
    storage.put(f"s3://{bucket}/object", data)
    with _Breaking(storage.endpoint, cuts=2) as address:
        assert _through(address, storage).get(f"s3://{bucket}/object") == data
    with _Breaking(storage.endpoint, cuts=99) as address, pytest.raises(ServiceUnavailable, match="object"):
        _through(address, storage).get(f"s3://{bucket}/object")


@pytest.mark.parametrize("uri", ["bucket/key", "s3://", "http://bucket/key", "s3://bucket"])
def test_what_is_no_address_of_an_object_is_refused(storage: Storage, uri: str) -> None:
    with pytest.raises(UsageError, match="must be s3://bucket/key"):
        storage.get(uri)


def _through(address: str, storage: Storage) -> Storage:
    keys = storage._client._request_signer._credentials  # type: ignore[attr-defined]
    return Storage(
        endpoint=address,
        access_key_id=keys.access_key,
        secret_access_key=keys.secret_key,
        region="us-east-1",
    )


class _Breaking:
    """A TCP relay to a server that cuts the first long answers short."""

    def __init__(self, target: str, cuts: int) -> None:
        host, _, port = target.removeprefix("http://").partition(":")
        self._target, self._cuts = (host, int(port)), cuts

    def __enter__(self) -> str:
        self._server = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        server = socket.create_connection(self._target)

        def upwards() -> None:
            # The cut closes the socket under this thread's feet.
            with suppress(OSError):
                while data := client.recv(65536):
                    server.sendall(data)

        threading.Thread(target=upwards, daemon=True).start()
        passed = 0
        while data := server.recv(65536):
            passed += len(data)
            if passed > 300_000 and self._cuts > 0:
                self._cuts -= 1
                break
            client.sendall(data)
        client.shutdown(socket.SHUT_RDWR)
        client.close()
        server.close()
