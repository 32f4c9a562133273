"""HTML to the text that a reader sees, at Arrow's speed, and only where a text is HTML."""

from __future__ import annotations

from html import unescape

import pyarrow as pa
import pyarrow.compute as pc

# A document longer than this says what it is about in its first pages.
LONGEST_TEXT = 8_000
# Of HTML more is read: tags, styles and scripts take most of it.
LONGEST_HTML = 4 * LONGEST_TEXT

_NAMES = (
    "html|head|body|title|meta|link|style|script|div|span|p|br|hr|a|b|i|u|em|strong|font|center|table|tbody"
    "|tr|td|th|ul|ol|li|dl|dt|dd|img|h[1-6]|pre|code|blockquote|form|input|section|article|note"
)
_HTML = rf"(?i)<(?:{_NAMES})(?:\s[^<>]*)?/?>"
# Hidden text, and tags that a browser puts no space for: v<b></b>iagra reads viagra. Then links, of which the
# host stays, and all other tags. A tag or script that the bound cut through ends with the text.
_RULES = (
    (r"(?s)<!--.*?(?:-->|\z)", ""),
    (r"(?is)<(?:script|style)\b.*?(?:</(?:script|style)\s*>|\z)", " "),
    (r"(?i)</?(?:b|i|u|s|em|strong|font|span|big|small|tt|sub|sup|o:p)(?:\s[^<>]*)?/?>", ""),
    (
        r"""(?i)<[a-z]+\s[^<>]*?(?:href|src|action)\s*=\s*["']?(?:[a-z]+:)?(?://)?([^\s"'/?#<>]*)[^<>]*>""",
        r" \1 ",
    ),
    (r"<[!/?a-zA-Z][^<>]*(?:>|\z)", " "),
)


def bound(texts: pa.Array) -> pa.Array:
    """Cut texts where features stop reading; what is cut already stays as it is.

    Parameters
    ----------
    texts : pyarrow.LargeStringArray or pyarrow.StringArray (n,)
        Or a chunked one; nulls stay null.

    Returns
    -------
    The same type
        At most `LONGEST_TEXT` characters, `LONGEST_HTML` where a text looks like HTML.
    """
    short = pc.utf8_slice_codeunits(texts, 0, LONGEST_TEXT)
    long = pc.greater(pc.utf8_length(texts), LONGEST_TEXT)
    if not pc.any(long).as_py():
        return short
    return pc.if_else(
        pc.and_(long, looks_like_html(short)), pc.utf8_slice_codeunits(texts, 0, LONGEST_HTML), short
    )


def looks_like_html(texts: pa.Array) -> pa.Array:
    """Whether a text has a tag of HTML, Boolean (n,)."""
    return pc.match_substring_regex(texts, _HTML)


def plain_text(texts: pa.Array) -> pa.Array:
    """Take tags, scripts, styles, comments and entities out of what looks like HTML; of a link its host stays.

    Parameters
    ----------
    texts : pyarrow.LargeStringArray (n,)
        Without nulls, as `bound` leaves them.

    Returns
    -------
    pyarrow.LargeStringArray (n,)
        At most `LONGEST_TEXT` characters each. A text that is no HTML is the same as before.
    """
    marked = looks_like_html(texts)
    if not pc.any(marked).as_py():
        return texts
    pages = texts.filter(marked)
    for pattern, instead in _RULES:
        pages = pc.replace_substring_regex(pages, pattern, instead)
    pages = pa.array(
        [unescape(page) if "&" in page else page for page in pages.to_pylist()], pa.large_string()
    )
    pages = pc.utf8_slice_codeunits(pages, 0, LONGEST_TEXT)
    return pc.replace_with_mask(texts, marked, pages)
