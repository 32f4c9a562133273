"""A page as Markdown, for MLflow's descriptions and Prefect's artifacts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tasks.report.page import Line, Page, Section, Table

LONGEST = 300
_WWW = re.compile(r"(www)\.", re.IGNORECASE)
_MEANING = re.compile(r"([\\`*_{}\[\]()#+!|~>])")


def as_markdown(page: Page, *, bare: bool = False, pictures: Mapping[str, str] | None = None) -> str:
    """Write a page; what stands in its texts shows as it is, whatever it holds.

    Parameters
    ----------
    bare
        For places that show a heading of their own and leave no gaps between the columns of a table, as
        descriptions in MLflow.
    pictures
        Name -> address of pictures to show before the sections.
    """
    parts = [f"# {escape(page.title)}"] if not bare else []
    if page.state:
        parts.append(f"**{escape(page.state)}**")
    if page.reason:
        parts.append(f"**Why it ended:** {escape(page.reason)}")
    if page.advice:
        parts.append(f"**Next:** {escape(page.advice)}{_commands(page.commands)}")
    if page.links:
        parts.append(" · ".join(f"[{escape(name)}]({address})" for name, address in page.links.items()))
    shown = (pictures or {}).items()
    parts += [f"![{escape(name.replace('_', ' '))}]({address})" for name, address in shown]
    gap = "&emsp;" if bare else ""
    parts += [_section(section, gap) for section in page.sections if section.told]
    return "\n\n".join(parts) + "\n"


def escape(text: str, longest: int = LONGEST) -> str:
    """Give one line of Markdown that shows a text as it is; a very long one is cut.

    Ampersand and less-than become entities, because readers of Markdown let HTML through; so do the marks by
    which they make links of bare addresses.
    """
    line = " ".join(text.split())
    if len(line) > longest:
        line = line[: longest - 1] + "…"
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace("://", "&colon;//")
    line = _WWW.sub(r"\1&period;", line)
    return _MEANING.sub(r"\\\1", line)


def _commands(commands: Mapping[str, str]) -> str:
    told = ", ".join(f"`{_code(command)}` {escape(does)}" for command, does in commands.items())
    return f" {told}." if told else ""


def _code(text: str) -> str:
    return " ".join(text.replace("`", "'").split())[:LONGEST]


def _section(section: Section, gap: str) -> str:
    parts = [f"## {escape(section.title)}"] if section.title else []
    if section.text:
        parts.append(escape(section.text, 2_000))
    if section.lines:
        parts.append("\n".join(_line(line) for line in section.lines))
    parts += [_table(table, gap) for table in section.tables if table.rows]
    return "\n\n".join(parts)


def _line(line: Line) -> str:
    strong = f"**{escape(line.strong)}**: " if line.strong else ""
    return f"- {strong}{escape(line.text)}"


def _table(table: Table, gap: str) -> str:
    lines = [_row(table.head, gap), "|" + ":---|" * len(table.head), *(_row(row, gap) for row in table.rows)]
    more = f"\n\n{table.more:,} more are not shown." if table.more else ""
    return "\n".join(lines) + more


def _row(cells: Sequence[str], gap: str) -> str:
    return "| " + f"{gap} | ".join(escape(cell) for cell in cells) + " |"
