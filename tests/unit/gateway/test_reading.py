"""JSON from outside: all that is read can be stored, what is plain stays as it is, and what is bad is marked."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.gateway.reading import MAX_DEPTH, NotJson, read_json

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


def storable(value):
    """As Postgres sees it: no NUL, no lone surrogate, no number that is none, not too deep."""
    text = json.dumps(value, allow_nan=False)
    value = json.dumps(value, ensure_ascii=False)
    value.encode()
    return "\\u0000" not in text.replace("\\\\", "")


@given(PLAIN)
def test_what_is_plain_stays_as_it_is(value):
    assert read_json(json.dumps(value).encode()) == value


@given(st.text())
def test_any_text_is_read_or_refused(text):
    with suppress(NotJson):
        assert storable(read_json(text.encode("utf-8", "surrogatepass")))


@given(st.binary())
def test_any_bytes_are_read_or_refused(data):
    with suppress(NotJson):
        assert storable(read_json(data))


@given(PLAIN, st.sampled_from(["\x00", "a\x00b", "\ud800", "\udfff\ud800", "x\udc00"]))
def test_a_string_that_cannot_be_stored_is_marked_and_kept(value, odd):
    read = read_json(json.dumps({"a": value, "b": [odd], odd: 1}).encode())
    assert read["a"] == value
    assert json.loads(read["b"][0]["json"]) == odd
    assert storable(read)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("NaN", "NaN"), ("-Infinity", "-Infinity"), ("1e400", "1e400"), ("-1e999999", "-1e999999"),
        ("1" * 5000, "1" * 1000), ('{"a": 1, "a": 2}', "1, 2"), ('{"a": [1], "a": NaN}', "[1], NaN"),
    ],
)  # fmt: skip
def test_a_value_that_is_none_is_marked_and_kept(text, kept):
    (read,) = read_json(f"[{text}]".encode())
    read = read.get("a", read)
    assert read["json"].replace('"', "") == kept
    assert storable(read)


def test_a_key_given_twice_with_one_value_is_no_mistake():
    assert read_json(b'{"a": [1], "a": [1]}') == {"a": [1]}


@pytest.mark.parametrize("depth", [MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 900, 9_000])
def test_what_is_nested_deep_is_kept_as_text(depth):
    deep = "[" * depth + '"]\\""' + "]" * depth
    good, bad, after = read_json(f'[{{"label": "ham"}}, {deep}, "]"]'.encode())
    assert (good, after) == ({"label": "ham"}, "]")
    if depth >= MAX_DEPTH + 1:
        while isinstance(bad, list):
            (bad,) = bad
        assert set(bad) == {"not_storable", "json"}
        assert bad["json"].count("[") >= depth - MAX_DEPTH
    else:
        assert json.dumps(bad) == deep


@pytest.mark.parametrize(
    "text", ["[" * 5000, "[" * 150_000 + "]" * 150_000, '{"a":' * 3000 + "1", '"' + "[" * 5000]
)
def test_what_is_nested_beyond_hope_is_refused(text):
    with pytest.raises(NotJson):
        read_json(text.encode())
