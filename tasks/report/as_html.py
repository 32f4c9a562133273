"""A page as one HTML file that needs nothing else: no network, no script, pictures inside."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from tasks.report.page import Page

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE = "page.html.jinja"
# Ids, reasons and names are short; what is longer than this is somebody's mistake or malice.
LONGEST = 2_000


def as_html(page: Page, pictures: Mapping[str, bytes] | None = None) -> str:
    """Write a page with its pictures; every text is escaped.

    Parameters
    ----------
    pictures
        Name -> PNG. Sections show those that they name; the rest come last.
    """
    shown = pictures or {}
    named = {name for section in page.sections for name in section.pictures}
    return _template().render(
        page=page,
        sections=[one for one in page.sections if one.told or any(name in shown for name in one.pictures)],
        pictures={name: _data(content) for name, content in shown.items()},
        rest=[name for name in shown if name not in named],
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("tasks.report", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["shortened"] = _shortened
    environment.filters["words"] = lambda name: name.replace("_", " ")
    return environment.get_template(TEMPLATE)


def _data(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _shortened(text: Any) -> str:
    written = str(text)
    return written if len(written) <= LONGEST else written[: LONGEST - 1] + "…"
