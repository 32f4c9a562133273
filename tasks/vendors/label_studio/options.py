"""What a campaign says of its Label Studio, under ``options`` of the vendor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tasks.errors import UsageError
from tasks.vendors.label_studio.form import check_kinds

TOKEN_VARIABLE = "LABEL_STUDIO_TOKEN"
LOGIN_VARIABLE = "LABELROUNDS_ML_BACKEND_LOGIN"
SECRET_VARIABLE = "LABEL_STUDIO_WEBHOOK_SECRET"
_KEYS = (
    "url", "token_variable", "project", "predictions", "ml_backend", "webhook", "webhook_secret_variable", "columns"
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """A Label Studio, and how the campaign uses it.

    Attributes
    ----------
    url
        Of the server, without a slash at its end.
    token
        A personal access token or a legacy token.
    title
        Of the project, 3 to 50 characters; None for the campaign's name and the vendor's.
    predictions
        ``hidden`` from annotators, whom they would lead, or ``shown`` to them.
    ml_backend, login
        Address of `labelrounds ml-backend` as Label Studio reaches it, to be connected to the project; and
        ``user:password`` where it asks for them.
    webhook, secret
        Where Label Studio shall call when something happens, and what it shall say to be believed.
    columns
        Column to how it is shown, where a guess would be wrong.
    """

    url: str
    token: str = field(repr=False)
    title: str | None = None
    predictions: str = "hidden"
    ml_backend: str | None = None
    login: str = field(default="", repr=False)
    webhook: str | None = None
    secret: str = field(default="", repr=False)
    columns: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, given: Mapping[str, Any], environment: Mapping[str, str]) -> Options:
        """Read and check the options; secrets come from the environment, never from the campaign's file.

        Raises
        ------
        UsageError
            An unknown key, a value that cannot be used, or a variable that is not set.
        """
        strange = sorted(set(given) - set(_KEYS))
        if strange:
            raise UsageError(f"label_studio has no option {strange[0]!r}: it takes {', '.join(_KEYS)}")
        columns, backend = given.get("columns") or {}, _address(given, "ml_backend")
        if not isinstance(columns, Mapping):
            raise UsageError("label_studio: columns must map a column to how it is shown")
        check_kinds(columns)
        webhook = _address(given, "webhook")
        secret_variable = str(given.get("webhook_secret_variable", SECRET_VARIABLE))
        return cls(
            url=_address(given, "url") or _missing("url", "the address of the server"),
            token=_secret(
                environment, str(given.get("token_variable", TOKEN_VARIABLE)), "the token of a user"
            ),
            title=_title(given.get("project")),
            predictions=_one_of(given, "predictions", ("hidden", "shown")),
            ml_backend=backend,
            login=environment.get(LOGIN_VARIABLE, "") if backend else "",
            webhook=webhook,
            secret=_secret(environment, secret_variable, "what the webhook shall say") if webhook else "",
            columns=dict(columns),
        )


def _address(given: Mapping[str, Any], key: str) -> str | None:
    value = given.get(key)
    if value is None or value == "none":
        return None
    parts = urlsplit(str(value))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"label_studio: {key} must be an http:// or https:// address, not {value!r}")
    if parts.password or parts.username:
        raise UsageError(f"label_studio: {key} must not hold a password; secrets come from the environment")
    return str(value).rstrip("/")


def _missing(key: str, what: str) -> str:
    raise UsageError(f"label_studio: {key} is missing, {what}")


def _secret(environment: Mapping[str, str], variable: str, what: str) -> str:
    value = environment.get(variable, "").strip()
    if not value:
        raise UsageError(f"label_studio: the environment variable {variable} is not set: {what}")
    return value


def _title(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 3 <= len(value) <= 50:
        raise UsageError("label_studio: project must be a title of 3 to 50 characters")
    return value


def _one_of(given: Mapping[str, Any], key: str, allowed: tuple[str, ...]) -> str:
    value = given.get(key, allowed[0])
    if value not in allowed:
        raise UsageError(f"label_studio: {key} must be one of {', '.join(allowed)}, not {value!r}")
    return str(value)
