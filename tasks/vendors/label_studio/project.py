"""The campaign's project: found again by a line in its description, made once, kept up with the campaign."""

from __future__ import annotations

import html
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.errors import UsageError, VendorUnreachable
from tasks.vendors.connector import LabelSchema, Offer
from tasks.vendors.label_studio.client import Client
from tasks.vendors.label_studio.form import Form, Question, form_of, kinds_of, question_of
from tasks.vendors.label_studio.names import CHOICES, ITEM
from tasks.vendors.label_studio.options import Options
from tasks.vendors.label_studio.webhook import register_webhook

log = logging.getLogger(__name__)

SAMPLE = 200
"""Payloads that are looked at to decide how a column is shown."""
_LONGEST_TITLE = 50


@dataclass(frozen=True)
class Project:
    """A project of ours.

    Attributes
    ----------
    overlap
        How many annotators a new task wants.
    xml
        Its labeling interface.
    form
        What we made the interface of; None where somebody replaced it by their own.
    """

    id: int
    overlap: int
    xml: str
    form: Form | None
    shows_predictions: bool
    title: str

    def data(self, offer: Offer) -> dict[str, Any]:
        """Give the data of an offer's task."""
        form = self.form or Form("", (), 0, dict.fromkeys([*offer.payload, *offer.urls], "text"))
        return {ITEM: offer.item, **form.data(offer.payload, offer.urls)}

    def question(self, classes: Sequence[str]) -> Question:
        """Find the control that asks for the classes.

        Raises
        ------
        UsageError
            The interface was changed so that it asks for something else.
        """
        found = question_of(self.xml, classes)
        if found is None:
            raise UsageError(
                f"project {self.id} ({self.title}) asks for none of the classes {', '.join(classes)}: put a "
                f'<Choices name="{CHOICES}"> with them into its labeling interface'
            )
        return found


def marker(campaign: str, vendor: str) -> str:
    """Give the line in the description by which the project is found."""
    return f"labelrounds:{campaign}/{vendor}"


def find_project(client: Client, line: str) -> Project | None:
    """Find the project with a marker; the oldest, should somebody have copied it."""
    page, found = 1, []
    while True:
        params = {"page": page, "page_size": 200, "include": "id,title,description"}
        told = client.call("GET", "/api/projects/", params=params)
        for one in told["results"]:
            if line in str(one.get("description") or "").split():
                found.append(int(one["id"]))
        if not told.get("next"):
            break
        page += 1
    return _project(client.call("GET", f"/api/projects/{min(found)}/")) if found else None


def ensure_project(client: Client, options: Options, line: str, offers: Sequence[Offer]) -> Project:
    """Give the project for some offers: found or made, and with the newest classes and instructions.

    Parameters
    ----------
    offers
        At least one; all of one campaign.
    """
    schema = max((offer.schema for offer in offers), key=lambda one: one.version)
    found = find_project(client, line)
    if found is None:
        found = _make(client, options, line, schema, offers)
    else:
        found = _kept_up(client, options, found, schema, offers)
    if options.webhook is not None:
        register_webhook(client, found.id, options.webhook, options.secret)
    if options.ml_backend is not None:
        connect_backend(client, found.id, options.ml_backend, options.login)
    return found


def connect_backend(client: Client, project: int, url: str, login: str = "") -> None:
    """Connect an ML backend to the project, once; labels do not wait for one that is away."""
    known = client.call("GET", "/api/ml/", params={"project": project})
    if any(str(one.get("url", "")).rstrip("/") == url for one in known):
        return
    body = {"project": project, "url": url, "title": "labelrounds", "is_interactive": False}
    if login:
        user, _, password = login.partition(":")
        body |= {"auth_method": "BASIC_AUTH", "basic_auth_user": user, "basic_auth_pass": password}
    try:
        client.call("POST", "/api/ml/", json=body)
    except UsageError as error:
        log.warning("no predictions in project %d: %s", project, error)


def ask_predictions(client: Client, project: int, tasks: Sequence[int]) -> None:
    """Have the project's ML backend predict new tasks; labels do not wait for one that is away."""
    body = {"project": project, "selectedItems": {"all": False, "included": list(tasks)}}
    try:
        address = {"id": "retrieve_tasks_predictions", "project": project}
        client.call("POST", "/api/dm/actions", params=address, json=body)
    except (UsageError, VendorUnreachable) as error:
        log.warning("no predictions for %d new tasks: %s", len(tasks), error)


def _make(
    client: Client, options: Options, line: str, schema: LabelSchema, offers: Sequence[Offer]
) -> Project:
    overlap = Counter(Counter(offer.item for offer in offers).values()).most_common(1)[0][0]
    form = Form(schema.task, schema.classes, schema.version, _kinds(options, offers))
    name = line.removeprefix("labelrounds:").replace("/", " / ")
    title = options.title or (name if len(name) <= _LONGEST_TITLE else name[: _LONGEST_TITLE - 1] + "…")
    body = {
        "title": title,
        "description": f"Filled and read by labelrounds, which finds it by this line:\n{line}",
        "label_config": form.to_xml(),
        # The order of import is the order of worth, and the only one that holds for every way in.
        "sampling": "Sequential sampling",
        "maximum_annotations": overlap,
        "show_collab_predictions": options.predictions == "shown",
        **_instructions(schema),
    }
    made = _project(client.call("POST", "/api/projects/", json=body))
    log.info("made the Label Studio project %d (%s)", made.id, made.title)
    return made


def _kept_up(
    client: Client, options: Options, found: Project, schema: LabelSchema, offers: Sequence[Offer]
) -> Project:
    changes: dict[str, Any] = {}
    columns = {**_kinds(options, offers), **(found.form.columns if found.form else {})}
    form = Form(schema.task, schema.classes, schema.version, columns)
    # An interface that somebody replaced stays theirs while it asks for the classes.
    theirs = found.form is None and question_of(found.xml, schema.classes) is not None
    if not theirs and form != found.form:
        changes |= {"label_config": form.to_xml(), **_instructions(schema)}
    if found.shows_predictions != (options.predictions == "shown"):
        changes["show_collab_predictions"] = options.predictions == "shown"
    if options.title is not None and options.title != found.title:
        changes["title"] = options.title
    if not changes:
        return found
    return _project(client.call("PATCH", f"/api/projects/{found.id}/", json=changes))


def _kinds(options: Options, offers: Sequence[Offer]) -> dict[str, str]:
    urls = {column: url for offer in reversed(offers[:SAMPLE]) for column, url in offer.urls.items()}
    return kinds_of((offer.payload for offer in offers[:SAMPLE]), urls, options.columns)


def _instructions(schema: LabelSchema) -> dict[str, Any]:
    text = html.escape(schema.instructions).replace("\n", "<br>")
    return {"expert_instruction": text, "show_instruction": bool(text)}


def _project(told: Mapping[str, Any]) -> Project:
    xml = str(told.get("label_config") or "")
    return Project(
        id=int(told["id"]),
        overlap=int(told.get("maximum_annotations") or 1),
        xml=xml,
        form=form_of(xml),
        shows_predictions=bool(told.get("show_collab_predictions")),
        title=str(told.get("title") or ""),
    )
