"""A campaign that begins with rules instead of labels, through the command line."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from tests.end_to_end.user import User, answer

SPAM = ("win a prize", "cheap pills today", "free money now", "act now friend")
HAM = ("meeting notes attached", "re your question", "the build is green", "lunch at noon")

RULES = """
from tasks.weak import labeling_function


@labeling_function
def polite(row):
    return "ham" if "thanks" in (row["text"] or "") else None


@labeling_function
def broken(row):
    return {}[row["text"]]
"""


def mails(n: int) -> tuple[pa.Table, dict[str, str]]:
    rng = np.random.default_rng(5)
    spam = rng.random(n) < 0.4
    texts = []
    for is_spam in spam:
        own, other = (SPAM, HAM) if is_spam else (HAM, SPAM)
        words = [str(rng.choice(own)) for _ in range(3)] + [str(rng.choice(other))] * int(rng.random() < 0.3)
        texts.append(
            " ".join(rng.permutation([*words, *([] if is_spam else ["thanks"] * int(rng.random() < 0.3))]))
        )
    ids = [f"m{number:04d}" for number in range(n)]
    table = pa.table({"id": ids, "text": texts, "length": [len(text) for text in texts]})
    return table, {item: ("spam" if one else "ham") for item, one in zip(ids, spam, strict=True)}


def test_rules_choose_the_first_batch_and_a_broken_one_is_left_out(user: User) -> None:
    table, truth = mails(600)
    user.put("pool/mails.parquet", table)
    (user.folder / "rules.py").write_text(RULES)
    file = user.campaign(
        "rules",
        classes=["ham", "spam"],
        pool={"uri": user.uri("pool/"), "payload": ["id", "text"], "columns": {"text": ["text"]}},
        budget={"labels": 80},
        batch={"size": 20},
        model="linear",
        labeling_functions=[
            {"name": "prize", "text": "(?i)prize|pills", "label": "spam"},
            {"name": "work", "text": "meeting|build", "label": "ham"},
            {"name": "very-long", "column": "length", "above": 1000, "label": "spam"},
            {"module": "rules.py"},
        ],
    )
    vendor = user.hire()

    first = user.ask("round", file)
    assert (first["result"], first["labels"]) == ("published", 0)
    assert user.ask("round", file, "--verify", "1")["same"] is True
    assert answer(vendor, lambda payload: truth[payload["id"]]) == 20
    assert user.ask("collect", file)["result"] == "closed"
    second = user.ask("round", file)
    assert (second["result"], second["labels"]) == ("published", 20)

    measures = user.measures()
    for number in (1, 2):
        weak = measures[number]["weak"]
        told = {one["name"]: one for one in weak["report"]["functions"]}
        assert told["broken"]["disabled"]
        assert "KeyError" in told["broken"]["error"]
        assert told["prize"]["coverage"] > 0.3
        assert told["very-long"]["coverage"] == 0
        assert measures[number]["counts"]["cold_start"] is None
        assert measures[number]["model"]["kind"] == "linear"
    assert told["prize"]["labelled"] > 0
    assert measures[2]["weak"]["metrics"]["weak_weight"] < measures[1]["weak"]["metrics"]["weak_weight"]
    # What rules say is never counted as a label.
    assert measures[1]["counts"]["labels"] == 0
    audit = measures[2]["estimates"]["audit"]["accuracy"]
    assert audit["n"] == 2


def test_a_mistake_in_a_rule_is_named_with_its_line(user: User) -> None:
    user.put("pool/mails.parquet", mails(60)[0])
    wrong = [
        ({"name": "a", "text": "(", "label": "spam"}, "no regular expression"),
        ({"name": "a", "text": "x", "label": "eggs"}, "none of the classes"),
        ({"name": "a", "column": "text", "label": "spam"}, "needs a condition"),
    ]
    for rule, message in wrong:
        file = user.campaign(
            "wrong",
            classes=["ham", "spam"],
            pool={"uri": user.uri("pool/"), "payload": ["text"]},
            budget={"labels": 80},
            batch={"size": 20},
            labeling_functions=[rule],
        )
        ended = user.type("check", file, code=2)
        assert message in ended.err
        assert "labeling_functions[0]" in ended.err
