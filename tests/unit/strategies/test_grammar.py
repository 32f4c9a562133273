"""How strategies are written down."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import UsageError
from tasks.grammar import SHARES, SHORTLIST_THEN, Spec, parse, parse_list, shares
from tasks.strategies import get

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name not in (SHARES, SHORTLIST_THEN)
)
VALUES = st.one_of(
    st.integers(-9, 9), st.floats(-9, 9, allow_nan=False), st.booleans(), st.none(), NAMES,
    st.lists(st.lists(st.integers(0, 9), max_size=2), max_size=2),
).filter(lambda value: value not in ("true", "false", "null"))  # fmt: skip


def _of_shares(parts):
    whole = [round(100 / len(parts)) / 100] * (len(parts) - 1)
    return shares([*zip(whole, parts[:-1], strict=True), (round(1 - sum(whole), 2), parts[-1])])


SPECS = st.recursive(
    st.builds(Spec, NAMES, st.just(()), st.dictionaries(NAMES, VALUES, max_size=2)),
    lambda inner: st.one_of(
        st.builds(Spec, NAMES, st.tuples(inner), st.dictionaries(NAMES, VALUES, max_size=2)),
        st.builds(lambda *parts: Spec(SHORTLIST_THEN, parts), inner, inner),
        st.lists(inner, min_size=2, max_size=3).map(_of_shares),
    ),
    max_leaves=5,
)


@given(SPECS)
def test_what_is_written_is_read_again(spec):
    assert parse(str(spec)) == spec


@given(st.one_of(st.text(max_size=20), st.text("abS()>+%,=1 .", max_size=20)))
def test_any_text_is_read_or_refused(text):
    try:
        spec = parse(text)
    except UsageError:
        return
    assert parse(str(spec)) == spec


def test_lists_keep_shares_together():
    found = parse_list("auto, 60 % margin, 40 % random, margin > kcenter, margin_kmeans(beta=5)")
    assert [str(one) for one in found] == [
        "auto", "60% margin + 40% random", "margin > kcenter", "margin_kmeans(beta=5)",
    ]  # fmt: skip


def test_brackets_group():
    assert parse("(a > b) > c") == parse("a > b > c") != parse("a > (b > c)")
    assert str(parse("(60% a + 40% b) > c")) == "(60% a + 40% b) > c"
    with pytest.raises(UsageError, match="nested too deeply"):
        parse("(" * 5000)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the name of a strategy is wanted at its end"),
        ("margin >", "the name of a strategy is wanted"),
        ("margin margin", "the end is wanted before 'margin'"),
        ("60% margin", "add up to 60 %"),
        ("margin_kmeans(beta=)", "a value is wanted"),
        ("margin_kmeans(beta=1, beta=2)", "beta only once"),
        ("marginn", "Did you mean margin?"),
        ("margin(k=3)", "'margin' has no parameter 'k'. It has none"),
        ("margin_kmeans(bta=3)", "It has beta"),
        ("margin_kmeans(beta=ten)", "wrong type"),
        ("quotas(per_class=0.5)", "takes 1 strategies inside it, not 0"),
        ("margin(random)", "takes 0 strategies inside it, not 1"),
    ],
)
def test_mistakes_are_named(text, words):
    with pytest.raises(UsageError, match="^.*" + words.replace("(", r"\(").replace("?", r"\?")):
        get(text)
