from __future__ import annotations

import time

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.features.html import LONGEST_HTML, LONGEST_TEXT, bound, looks_like_html, plain_text


def plain(text):
    return plain_text(pa.array([text], pa.large_string()))[0].as_py()


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<p>one</p><p>two</p>", "one two"),
        ("<td>one</td><td>two</td>", "one two"),
        ("v<b></b>i<!-- hidden -->ag<font size=1>ra</font><br>now", "viagra now"),
        ("<script>var a = '<p>';</script>text<STYLE>p{}</STYLE><p>", "text"),
        ("<p>caf&eacute; &amp; cr&#232;me &#x2014; &lt;b&gt;</p>", "café & crème — <b>"),
        ('<a href="https://shop.example/buy?id=1&amp;x=2">cheap</a>', "shop.example cheap"),
        ("<A HREF='mailto:me@example.org'>write</A>", "me@example.org write"),
        ('<p>logo <img alt="x" src=http://cdn.example/a.png></p>', "logo cdn.example"),
        ("<p>text <a href='http://cut.off", "text"),
        ("<p>text <script>never closed", "text"),
        ("<p>2 < 3 and 5 > 4</p>", "2 < 3 and 5 > 4"),
    ],
)
def test_what_a_reader_sees(page, words):
    assert plain(page).split() == words.split()


@pytest.mark.parametrize(
    "text",
    [
        "a < b and c > d",
        "Ann <ann@example.org> wrote",
        "x <- y",
        "List<String> &amp; &eacute;",
        "<< 3 >>",
        "",
    ],
)
def test_what_is_no_html_stays(text):
    assert plain(text) == text


@given(st.lists(st.text(alphabet='<>/!-ab pscrit&;#1"=', max_size=60), max_size=10))
def test_any_text_is_taken_row_by_row(texts):
    array = pa.array(texts, pa.large_string())
    done = plain_text(array)
    assert done.type == array.type
    for text, result in zip(texts, done.to_pylist(), strict=True):
        assert result == plain(text)


def test_bounds():
    texts = ["x" * 50_000, "<p>" + "y" * 50_000, "short", None, "z" * 9_000 + "<p>"]
    cut = bound(pa.array(texts, pa.large_string()))
    lengths = [len(text) if text is not None else None for text in cut.to_pylist()]
    assert lengths == [LONGEST_TEXT, LONGEST_HTML, 5, None, LONGEST_TEXT]
    assert bound(cut).equals(cut)
    assert len(plain("<p>" + "y" * 50_000)) == LONGEST_TEXT


def test_the_text_behind_a_long_head_is_read():
    page = f"<html><head><style>{'p {color: red} ' * 1_000}</style></head><body>at last</body></html>"
    assert len(page) > LONGEST_TEXT
    assert plain_text(bound(pa.array([page], pa.large_string())))[0].as_py().split() == ["at", "last"]


@pytest.mark.parametrize("evil", ["<script", "<!--", "<a href=", "<p <p ", "&amp;" * 3, "<" * 9])
def test_time_grows_with_length_only(evil):
    page = "<p>" + evil * (LONGEST_HTML // len(evil))
    start = time.process_time()
    plain(page)
    assert time.process_time() - start < 1


def test_what_looks_like_html():
    texts = ["<HTML>", "<br/>", '<div class="x">', "<bogus>", "<b", "p>"]
    assert looks_like_html(pa.array(texts)).to_pylist() == [True, True, True, False, False, False]
