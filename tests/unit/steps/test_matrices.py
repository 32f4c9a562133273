"""What features read of long texts."""

import pyarrow as pa

from tasks.features import fit_space
from tasks.features.text import LONGEST_TEXT
from tasks.matrices import cut_texts
from tasks.pool.schema import Columns


def test_cut_texts_give_the_same_features():
    words = ["apple", "pear", "plum", "fig", "quince"]
    texts = [" ".join(words[(row * step) % 5] for step in range(1 + 400 * row)) for row in range(8)]
    table = pa.table({"id": [str(row) for row in range(8)], "text": [*texts[:-1], None]})
    columns = Columns("id", text=("text",))
    cut = cut_texts(table, columns)
    assert max(len(text or "") for text in texts[:-1]) > LONGEST_TEXT
    assert max(len(text or "") for text in cut.column("text").to_pylist()) == LONGEST_TEXT
    space = fit_space(table, columns, seed=1)
    assert fit_space(cut, columns, seed=1).digest == space.digest
    assert (space.transform(cut) == space.transform(table)).all()
