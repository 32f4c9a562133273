"""What people read of a round and of its campaign: one page, as Markdown and as HTML.

`Page` is what is told; every text in it is plain. `as_markdown` and `as_html` write it down and escape all of
it, since names of classes and vendors and the ids of items come from strangers.
"""

from tasks.report.as_html import as_html
from tasks.report.as_markdown import as_markdown
from tasks.report.campaign_page import campaign_page
from tasks.report.page import Line, Page, Section, Table
from tasks.report.progress import ScoringProgress, artifact_key
from tasks.report.round_page import markdown, round_page
from tasks.report.words import model_words

__all__ = [
    "Line",
    "Page",
    "ScoringProgress",
    "Section",
    "Table",
    "artifact_key",
    "as_html",
    "as_markdown",
    "campaign_page",
    "markdown",
    "model_words",
    "round_page",
]
