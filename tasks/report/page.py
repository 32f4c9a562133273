"""A page for people, before it is written as Markdown or HTML: no markup has a meaning in its texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """Rows under a heading.

    Attributes
    ----------
    head
        Names of the columns.
    rows
        As many cells each.
    more
        Rows that are not shown, said below.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int = 0


@dataclass(frozen=True)
class Line:
    """A point of a list; what is strong comes first and is set in bold."""

    text: str
    strong: str = ""


@dataclass(frozen=True)
class Section:
    """A part of a page; one without lines, tables and pictures is left out.

    Attributes
    ----------
    title
        Its heading; empty for the part that comes before all others.
    text
        A paragraph.
    lines, tables
        In this order below the paragraph.
    pictures
        Names of pictures that belong here, shown where there are pictures and where they were drawn.
    """

    title: str = ""
    text: str = ""
    lines: tuple[Line, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[str, ...] = ()

    @property
    def told(self) -> bool:
        """Whether it says anything without its pictures."""
        return bool(self.text or self.lines or any(table.rows for table in self.tables))


@dataclass(frozen=True)
class Page:
    """What is told of a round or a campaign.

    Attributes
    ----------
    title
        What it is about, and its state.
    state
        Where it stands, in one sentence.
    reason
        Why it stopped or failed; empty otherwise.
    advice
        What to do now.
    commands
        Command -> what it does, for that.
    links
        Name -> address of where more can be seen.
    sections
        The rest, what matters most first.
    """

    title: str
    state: str = ""
    reason: str = ""
    advice: str = ""
    commands: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    sections: tuple[Section, ...] = ()
