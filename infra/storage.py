"""Objects in S3, or in anything that speaks its protocol."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Iterator, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, cast

from infra.ranges import READ_AHEAD, RangeReader
from infra.s3_client import make_client
from infra.settings import Settings
from tasks.errors import NotFound, PoolChanged, RoundError, ServiceUnavailable, SettingsError, UsageError
from tasks.pool.store import StoredObject

if TYPE_CHECKING:
    pass

DIGEST = "sha256"  # the metadata field in which `put_once` keeps the content's digest
MISSING = {"404", "NoSuchKey", "NotFound"}
DENIED = {
    "401",
    "403",
    "AccessDenied",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
}
CHANGED = {"412", "PreconditionFailed"}
CONFLICT = {"409", "ConditionalRequestConflict"}
NO_CONDITIONS = {"501", "NotImplemented"}


class Storage:
    """An S3 store; safe to share between threads. Implements `tasks.pool.store.ObjectStore`.

    Every method raises ServiceUnavailable when the store does not answer, SettingsError when it refuses the
    credentials, and NotFound for a bucket or object that does not exist.

    Parameters
    ----------
    endpoint
        ``http(s)://host:port``; None is Amazon S3.
    access_key_id, secret_access_key
        Credentials; None leaves them to boto3 (environment, profile, instance role).
    region
        The bucket's region.
    attempts
        How often a request is tried.
    """

    def __init__(
        self,
        *,
        endpoint: str | None,
        access_key_id: str | None,
        secret_access_key: str | None,
        region: str,
        attempts: int = 5,
    ) -> None:
        self.endpoint = endpoint or "Amazon S3"
        self._region = region
        self._attempts = attempts
        self._client = make_client(endpoint, access_key_id, secret_access_key, region, attempts)

    @classmethod
    def from_settings(cls, settings: Settings) -> Storage:
        """Open the store that the settings name."""
        return cls(
            endpoint=settings.s3_endpoint,
            access_key_id=settings.s3_access_key_id,
            secret_access_key=settings.s3_secret_access_key,
            region=settings.s3_region,
        )

    def list(self, uri: str) -> Iterator[StoredObject]:
        """List the object `uri` and all objects below ``uri/``, sorted by URI.

        Empty objects whose key ends in ``/``, by which consoles mark directories, are left out.
        """
        bucket, key = split(uri, key_needed=False)
        found: list[StoredObject] = []
        with self._errors(f"s3://{bucket}"):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=bucket, Prefix=_prefix(key)):
                for entry in page.get("Contents", ()):
                    if not (entry["Key"].endswith("/") and entry["Size"] == 0):
                        etag = entry["ETag"].strip('"')
                        name, modified = f"s3://{bucket}/{entry['Key']}", entry["LastModified"].timestamp()
                        found.append(StoredObject(name, etag, entry["Size"], modified))
        if key and not key.endswith("/") and (named := self._head(uri)) is not None:
            found.append(named)
        # Not every store lists in the order of the keys' bytes, as Amazon does.
        return iter(sorted(found, key=lambda entry: entry.uri))

    def open(self, uri: str, *, etag: str | None = None) -> BinaryIO:
        """Open an object as a seekable file, read in ranges of 8 MiB.

        All reads are of one version: when the object changes under the reader, reading raises PoolChanged.

        Parameters
        ----------
        etag
            The version wanted; any other raises PoolChanged.
        """
        found = self._head(uri)
        if found is None and etag is None:
            raise NotFound(f"{uri}: no such object at {self.endpoint}")
        if found is None or (etag is not None and found.etag != etag.strip('"')):
            what = "is gone" if found is None else "has changed"
            raise PoolChanged(
                f"{uri} {what} since it was listed (ETag {etag}); start a new round to read it anew"
            )
        return cast(BinaryIO, io.BufferedReader(RangeReader(self, found), READ_AHEAD))

    def get(self, uri: str) -> bytes:
        """Return an object's content."""
        with self.open(uri) as file:
            return file.read()

    def put(self, uri: str, data: bytes) -> None:
        """Write an object, over whatever is there."""
        bucket, key = split(uri)
        with self._errors(uri):
            self._client.put_object(Bucket=bucket, Key=key, Body=data, Metadata=_digest(data))

    def put_once(self, uri: str, data: bytes) -> None:
        """Write an object that never changes; writing the same again does nothing.

        Raises
        ------
        RoundError
            The object exists with other content, which stays as it is.
        """
        bucket, key = split(uri)
        if self._holds(uri, data):
            return
        request: Any = {"Bucket": bucket, "Key": key, "Body": data, "Metadata": _digest(data)}
        try:
            with self._errors(uri, pass_on=CHANGED | CONFLICT | NO_CONDITIONS):
                self._client.put_object(**request, IfNoneMatch="*")
        except _RefusedError as refused:
            # Another process wrote it in between, or the store knows no conditional writes.
            if self._holds(uri, data):
                return
            if refused.code in CHANGED:
                raise
            with self._errors(uri):
                self._client.put_object(**request)

    def upload_file(self, uri: str, path: Path) -> None:
        """Write a file of any size, in parts where it is large."""
        from boto3.exceptions import S3UploadFailedError

        bucket, key = split(uri)
        with self._errors(uri):
            try:
                self._client.upload_file(str(path), bucket, key)
            except S3UploadFailedError as error:
                # boto3 wraps what went wrong and keeps it as the context.
                raise (error.__context__ or error) from None

    def exists(self, uri: str) -> bool:
        """Whether there is such an object."""
        return self._head(uri) is not None

    def buckets(self) -> tuple[str, ...]:
        """Return the names of the buckets that the credentials may list."""
        with self._errors("the list of buckets"):
            return tuple(bucket["Name"] for bucket in self._client.list_buckets()["Buckets"])

    def ensure_bucket(self, name: str) -> None:
        """Create a bucket, unless it is there."""
        with contextlib.suppress(NotFound), self._errors(f"s3://{name}"):
            self._client.head_bucket(Bucket=name)
            return
        request: Any = {"Bucket": name}
        if self._region != "us-east-1" and self.endpoint == "Amazon S3":
            request["CreateBucketConfiguration"] = {"LocationConstraint": self._region}
        taken = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}
        with contextlib.suppress(_RefusedError), self._errors(f"s3://{name}", pass_on=taken):
            self._client.create_bucket(**request)
            return
        with self._errors(f"s3://{name}"):
            self._client.head_bucket(
                Bucket=name
            )  # made by another process, or somebody else's: then it says so

    def presign(self, uri: str, seconds: int) -> str:
        """Return an address under which anyone may read the object for a time."""
        bucket, key = split(uri)
        with self._errors(uri):
            return self._client.generate_presigned_url(
                "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=seconds
            )

    def read_range(self, found: StoredObject, start: int, length: int) -> bytes:
        """Return `length` bytes from `start` of exactly this version of an object.

        Raises
        ------
        PoolChanged
            The object is another by now.
        """
        bucket, key = split(found.uri)
        span = f"bytes={start}-{start + length - 1}"
        try:
            for attempt in range(1, self._attempts + 1):
                # botocore tries requests again, but not a body that breaks off.
                final = attempt == self._attempts
                with self._errors(found.uri, pass_on=CHANGED | MISSING, again=not final):
                    answer = self._client.get_object(
                        Bucket=bucket, Key=key, Range=span, IfMatch=f'"{found.etag}"'
                    )
                    return answer["Body"].read()
        except _RefusedError:
            raise PoolChanged(
                f"{found.uri} changed or went while it was read (ETag {found.etag}); "
                "start a new round to read it anew"
            ) from None
        raise ServiceUnavailable(f"{found.uri} cannot be read from {self.endpoint}")

    def _head(self, uri: str) -> StoredObject | None:
        bucket, key = split(uri)
        try:
            with self._errors(uri, pass_on=MISSING):
                head = self._client.head_object(Bucket=bucket, Key=key)
        except _RefusedError:
            with self._errors(f"s3://{bucket}"):
                self._client.head_bucket(Bucket=bucket)
            return None
        etag, modified = head["ETag"].strip('"'), head["LastModified"].timestamp()
        return StoredObject(f"s3://{bucket}/{key}", etag, head["ContentLength"], modified)

    def _holds(self, uri: str, data: bytes) -> bool:
        """Whether the object has this content; RoundError when it has another, False when there is none."""
        bucket, key = split(uri)
        try:
            with self._errors(uri, pass_on=MISSING):
                head = self._client.head_object(Bucket=bucket, Key=key)
        except _RefusedError:
            return False
        wanted = _digest(data)[DIGEST]
        known = head["Metadata"].get(DIGEST) or hashlib.sha256(self.get(uri)).hexdigest()
        if known != wanted:
            raise RoundError(
                f"{uri} exists with other content (SHA-256 {known[:12]}, not {wanted[:12]}) and is never "
                "overwritten; delete it if it is wrong"
            )
        return True

    @contextlib.contextmanager
    def _errors(self, what: str, *, pass_on: Set[str] = frozenset(), again: bool = False) -> Iterator[None]:
        """Turn boto3's exceptions into ours."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in pass_on:
                raise _RefusedError(what, code) from None
            self._refuse(what, code, error)
        except BotoCoreError as error:
            if not again:
                self._fail(what, error)

    def _refuse(self, what: str, code: str, error: Exception) -> NoReturn:
        if code == "NoSuchBucket" or (code in MISSING and "/" not in what.removeprefix("s3://")):
            bucket = what.removeprefix("s3://").partition("/")[0]
            raise NotFound(f"no bucket {bucket} at {self.endpoint}") from None
        if code in MISSING:
            raise NotFound(f"{what}: no such object at {self.endpoint}") from None
        if code in DENIED:
            raise SettingsError(
                f"{self.endpoint} denies access to {what} ({code}); check LABELROUNDS_S3_ACCESS_KEY_ID, "
                "LABELROUNDS_S3_SECRET_ACCESS_KEY and the rights of that key"
            ) from None
        raise ServiceUnavailable(f"{self.endpoint}: {what}: {_line(error)}") from None

    def _fail(self, what: str, error: Exception) -> NoReturn:
        from botocore.exceptions import NoCredentialsError, ParamValidationError, PartialCredentialsError

        if isinstance(error, NoCredentialsError | PartialCredentialsError):
            raise SettingsError(
                f"no credentials for {self.endpoint}: set LABELROUNDS_S3_ACCESS_KEY_ID and "
                "LABELROUNDS_S3_SECRET_ACCESS_KEY, or what boto3 reads (AWS_PROFILE, an instance role)"
            ) from None
        if isinstance(error, ParamValidationError):
            raise UsageError(f"{what}: {_line(error)}") from None
        raise ServiceUnavailable(f"{self.endpoint} does not answer for {what}: {_line(error)}") from None


class _RefusedError(Exception):
    """An answer of the store that the caller wants to hear itself."""

    def __init__(self, what: str, code: str) -> None:
        self.code = code
        super().__init__(f"{what}: {code}")


def split(uri: str, *, key_needed: bool = True) -> tuple[str, str]:
    """Split ``s3://bucket/key`` into bucket and key.

    Raises
    ------
    UsageError
        It is no such address.
    """
    scheme, separator, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not separator or not bucket or (key_needed and not key):
        raise UsageError(f"{uri}: must be s3://bucket/{'key' if key_needed else 'prefix'}")
    return bucket, key


def _prefix(key: str) -> str:
    return key if not key or key.endswith("/") else key + "/"


def _digest(data: bytes) -> dict[str, str]:
    return {DIGEST: hashlib.sha256(data).hexdigest()}


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
