"""Who an item's tasks are for."""

from __future__ import annotations

from collections import Counter

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tasks.vendors.routing import Worker, routes, seniors

LANGUAGES = ("de", "en", "fr")


@st.composite
def staffs(draw: st.DrawFn) -> list[Worker]:
    count = draw(st.integers(1, 6))
    shared = draw(st.booleans())
    shares = [draw(st.floats(0.05, 1)) for _ in range(count)]
    return [
        Worker(
            place + 1,
            f"v{place}",
            draw(st.integers(0, 100)),
            shares[place] if shared else None,
            {"language": tuple(draw(st.sets(st.sampled_from(LANGUAGES), min_size=1)))}
            if draw(st.booleans())
            else {},
            tuple(draw(st.sets(st.sampled_from(("ham", "spam"))))),
        )
        for place in range(count)
    ] + [Worker(99, "expert", 500, senior=True)] * draw(st.integers(0, 1))


@given(
    staffs(),
    st.sampled_from((*LANGUAGES, None)),
    st.sampled_from(("ham", "spam", None)),
    st.integers(1, 5),
    st.integers(0, 2**64 - 1),
    st.booleans(),
    st.sets(st.integers(1, 6), max_size=3),
)
def test_every_task_is_for_vendors_who_are_able_and_may(
    staff, language, predicted, overlap, key, exclusive, without
):
    traits = {"language": language}
    found = routes(staff, traits, predicted, overlap, key, exclusive=exclusive, without=without)
    ordinary = {one.vendor_id for one in staff if not one.senior} - without
    able = {
        one.vendor_id for one in staff if one.vendor_id in ordinary and one.is_able(traits, predicted)
    } or ordinary
    assert len(found) == (0 if not able else min(overlap, len(able)) if exclusive else overlap)
    for eligible, capable in found:
        assert set(capable if capable is not None else (one.vendor_id for one in staff)) == able
        assert set(eligible if eligible is not None else able) <= able
    if exclusive and found and staff[0].share is not None:
        assert len({eligible for eligible, _ in found}) == len(found)
    assert found == routes(staff, traits, predicted, overlap, key, exclusive=exclusive, without=without)


def test_shares_are_kept():
    staff = [Worker(1, "a", 1, 0.6), Worker(2, "b", 1, 0.3), Worker(3, "c", 1, 0.1)]
    firsts = Counter(routes(staff, {}, None, 1, key, exclusive=True)[0][0] for key in range(6000))
    assert {vendors[0]: round(count / 6000, 1) for vendors, count in firsts.items() if vendors} == {
        1: 0.6,
        2: 0.3,
        3: 0.1,
    }


def test_a_missing_value_is_no_skill():
    german = Worker(1, "a", 1, skills={"language": ("de",)})
    assert german.is_able({"language": "de"}, "ham")
    assert not german.is_able({"language": None}, "ham")
    assert not german.is_able({}, "ham")


@pytest.mark.parametrize(("without", "found"), [(set(), (7, 8)), ({7}, (8,)), ({7, 8}, ())])
def test_seniors_are_those_who_have_not_answered(without, found):
    staff = [Worker(1, "a", 1), Worker(7, "b", 1, senior=True), Worker(8, "c", 1, senior=True)]
    assert seniors(staff, without) == found
