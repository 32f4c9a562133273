"""Fetching small objects ahead."""

import io
import threading

import pytest

from tasks.errors import PoolChanged, ServiceUnavailable
from tasks.pool.ahead import AT_ONCE, SMALL, ReadAhead
from tasks.pool.store import StoredObject


class Shelf:
    """A store in memory that counts how many objects are fetched and not yet handed out."""

    def __init__(self, objects):
        self.objects, self.opened, self.failing = objects, [], {}
        self._lock = threading.Lock()

    def list(self, uri):
        return iter([StoredObject(name, "v1", len(data)) for name, data in self.objects.items()])

    def open(self, uri, *, etag=None):
        with self._lock:
            self.opened.append(uri)
        if uri in self.failing:
            raise self.failing[uri]
        return io.BytesIO(self.objects[uri])


@pytest.fixture
def shelf():
    return Shelf({f"s3://b/{number:03d}": b"x" * number for number in range(60)})


def test_every_object_is_opened_once_and_is_what_it_was(shelf):
    with ReadAhead(shelf, shelf.list("")) as ahead:
        assert {uri: ahead.open(uri, etag="v1").read() for uri in shelf.objects} == shelf.objects
    assert sorted(shelf.opened) == list(shelf.objects)


def test_no_more_is_fetched_than_memory_allows(shelf):
    with ReadAhead(shelf, shelf.list("")) as ahead:
        for done, uri in enumerate(shelf.objects, start=1):
            ahead.open(uri, etag="v1")
            assert len(shelf.opened) <= done + AT_ONCE


def test_a_large_object_is_opened_only_when_it_is_wanted(shelf):
    large = StoredObject("s3://b/large", "v1", SMALL + 1)
    shelf.objects[large.uri] = b"y" * large.size
    with ReadAhead(shelf, [large]) as ahead:
        assert shelf.opened == []
        assert ahead.open(large.uri, etag="v1").read() == shelf.objects[large.uri]


def test_an_error_comes_when_its_object_is_opened(shelf):
    shelf.failing = {"s3://b/003": PoolChanged("changed"), "s3://b/004": OSError("wire cut")}
    with ReadAhead(shelf, shelf.list("")) as ahead:
        for number in range(3):
            ahead.open(f"s3://b/{number:03d}", etag="v1")
        with pytest.raises(PoolChanged):
            ahead.open("s3://b/003", etag="v1")
        with pytest.raises(ServiceUnavailable, match="wire cut"):
            ahead.open("s3://b/004", etag="v1")
        assert ahead.open("s3://b/005", etag="v1").read() == b"x" * 5
