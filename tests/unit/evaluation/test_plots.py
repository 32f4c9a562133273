"""The pictures say what the arrays say, at a bounded size, whatever the arrays."""

from __future__ import annotations

import io
from threading import Thread

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tasks.evaluation.plots import (
    Curve,
    burn_down,
    class_balance,
    class_bars,
    confusion_matrix,
    drift_bars,
    label_bars,
    learning_curve,
    overlap_bars,
    reliability_diagram,
    score_histogram,
    signal_panels,
    spend,
)


def words(figure: Figure) -> str:
    """All text of a figure: headings, axes, notes, legends."""
    found = []
    for axes in figure.axes:
        found += [axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()]
        found += [text.get_text() for text in axes.texts]
        legend = axes.get_legend()
        found += [text.get_text() for text in legend.get_texts()] if legend else []
    found += [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    return "\n".join(found)


def rendered(figure: Figure) -> tuple[int, int]:
    """Width and height in pixels of the PNG, read from its header."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    header = buffer.getvalue()[16:24]
    return int.from_bytes(header[:4], "big"), int.from_bytes(header[4:], "big")


def curve(values: list[float], name: str = "") -> Curve:
    value = np.array(values)
    return Curve(100 * np.arange(1, len(values) + 1), value, value - 0.02, np.minimum(value + 0.02, 1), name)


def test_learning_curve_names_newest_estimate_and_both_arms():
    figure = learning_curve(curve([0.9, 0.95], "margin"), baseline=curve([0.85, 0.9], "random"), budget=1000)
    text = words(figure)
    assert "0.950 [0.930, 0.970] at 200 labels" in text
    assert "margin" in text
    assert "random" in text
    assert "budget 1,000" in text
    assert figure.axes[0].get_xlim()[1] > 1000
    assert rendered(figure) == (900, 600)


def test_learning_curve_sorts_its_points():
    shuffled = Curve(*(np.array(column) for column in ([300, 100], [0.9, 0.8], [0.8, 0.7], [1.0, 0.9])))
    assert "0.900 [0.800, 1.000] at 300 labels" in words(learning_curve(shuffled))


def test_learning_curve_of_one_round_shows_its_interval():
    figure = learning_curve(curve([0.9]))
    low, high = figure.axes[0].get_ylim()
    assert low <= 0.88
    assert high >= 0.92


def test_learning_curve_without_rounds_says_so():
    assert "no round has been measured yet" in words(learning_curve(curve([]), budget=500))


def test_confusion_matrix_counts_and_shares():
    text = words(confusion_matrix(np.array([[90, 10], [0, 50]]), ["ham", "spam"]))
    assert "140 of 150 right (93.3%)" in text
    assert "10\n10.0%" in text


def test_confusion_matrix_draws_rows_as_truth():
    figure = confusion_matrix(np.array([[0, 4], [0, 0]]), ["ham", "spam"])
    [cell] = figure.axes[0].texts
    assert cell.get_position() == (1, 0)  # x: predicted spam; y: truly ham
    assert figure.axes[0].get_ylabel() == "true class"


@pytest.mark.parametrize("n", [1, 8, 9, 25, 26, 120])
def test_confusion_matrix_keeps_every_item_and_stays_readable(n):
    counts = np.random.default_rng(n).poisson(0.3, (n, n))
    figure = confusion_matrix(counts, [f"a rather long class name {i}" for i in range(n)])
    drawn = sum(int(cell.get_text().split("\n")[0].replace(",", "")) for cell in figure.axes[0].texts)
    assert drawn == counts.sum()
    assert len(figure.axes[0].get_xticks()) <= 25
    assert tuple(figure.get_size_inches() * figure.dpi) == ((900, 600) if n <= 8 else (1100, 900))


def test_confusion_matrix_joins_the_classes_with_fewest_errors():
    counts = np.diag(np.full(40, 9))
    counts[3, 38] = 5
    figure = confusion_matrix(counts, [f"c{i}" for i in range(40)])
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert {"c3", "c38", "(others)"} <= set(names)


def test_reliability_diagram_shows_filled_bins_with_intervals():
    confidence = np.array([np.nan, 0.7, 0.95])
    accuracy = np.array([np.nan, 0.5, 0.99])
    figure = reliability_diagram(confidence, accuracy, np.array([0, 10, 200]), ece=0.05)
    assert "calibration error 0.050" in words(figure)
    assert len(figure.axes[1].patches) == 2
    assert figure.axes[0].get_ylim()[0] < 0.25  # Wilson's lower end of 5 of 10 is 0.237
    assert rendered(figure) == (900, 600)


def test_reliability_diagram_without_items_says_so():
    empty = np.full(5, np.nan)
    assert "no labelled item" in words(reliability_diagram(empty, empty, np.zeros(5, int)))


def test_score_histogram_marks_the_cut():
    figure = score_histogram(np.linspace(0, 1, 1001), 0.9, measure="margin", batch=100)
    assert "batch of 100: score from 0.9 on, top 10.09%" in words(figure)
    assert any(np.allclose(line.get_xdata(), 0.9) for line in figure.axes[0].lines)


def test_score_histogram_shows_a_cut_beyond_the_sample():
    axes = score_histogram(np.linspace(0, 0.5, 50), 0.8).axes[0]
    assert axes.get_xlim()[1] > 0.8


@pytest.mark.parametrize("scores", [np.array([]), np.array([np.nan, np.inf])])
def test_score_histogram_without_scores_says_so(scores):
    assert "chosen without a model" in words(score_histogram(scores, None))


@given(value=st.floats(-1e6, 1e6), n=st.integers(1, 50))
@settings(max_examples=15, deadline=None)
def test_score_histogram_counts_all_items_even_of_one_score(value, n):
    figure = score_histogram(np.full(n, value), value)
    assert sum(bar.get_height() for bar in figure.axes[0].containers[0]) == n


def test_class_balance_stacks_to_one_and_says_counts():
    figure = class_balance(np.array([[60, 40], [5, 0], [0, 0]]), ["ham", "spam"])
    tops = [bar.get_y() + bar.get_height() for bar in figure.axes[0].containers[1]]
    assert tops == pytest.approx([1, 1, 0])
    assert [text.get_text() for text in figure.axes[0].texts] == ["100", "5", "0"]


def test_many_classes_are_joined_without_loss():
    counts = np.random.default_rng(1).integers(1, 9, (4, 30))
    figure = class_balance(counts, [f"c{i}" for i in range(30)])
    assert len(figure.axes[0].containers) == 7
    assert "(others)" in words(figure)
    tops = [bar.get_y() + bar.get_height() for bar in figure.axes[0].containers[-1]]
    assert tops == pytest.approx([1, 1, 1, 1])


def test_spend_accumulates_and_shows_the_budget():
    figure = spend(np.array([[1.0, 2.0], [3.0, 4.0]]), ["acme", "crowd"], budget=40, currency="USD")
    last = figure.axes[0].containers[1][-1]
    assert last.get_y() + last.get_height() == pytest.approx(10)
    assert "Spend: 10.00 USD of 40.00" in words(figure)
    assert figure.axes[0].get_ylim()[1] > 40


def test_spend_before_the_first_round_renders():
    assert rendered(spend(np.zeros((0, 1)), ["acme"], budget=10)) == (900, 600)


def test_long_names_keep_both_ends():
    text = words(spend(np.ones((1, 1)), ["labeling-department-of-berlin-2"]))
    assert "labeling" in text
    assert "berlin-2" in text


def test_threads_draw_the_same_picture():
    def draw(into: list[bytes]) -> None:
        buffer = io.BytesIO()
        FigureCanvasAgg(confusion_matrix(np.arange(9).reshape(3, 3), ["a", "b", "c"])).print_png(buffer)
        into.append(buffer.getvalue())

    pictures: list[bytes] = []
    threads = [Thread(target=draw, args=(pictures,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pictures) == 4
    assert len(set(pictures)) == 1


def test_label_bars_say_what_was_found_of_each_class():
    counts = np.array([[60, 20, 20, 500], [0, 0, 0, 600], [90, 0, 10, 500]])
    said = words(label_bars(counts, ["sport", "arts", "money"]))
    assert "Classes of 600 items: micro-F1 0.857" in said  # 2 * 150 / (2 * 150 + 20 + 30)
    assert "F1 0.75\nnever there or named\nF1 0.95" in said


@pytest.mark.parametrize("classes", [2, 9, 25, 26, 400])
def test_label_bars_stay_readable(classes):
    rng = np.random.default_rng(classes)
    counts = rng.integers(0, 50, (classes, 4))
    counts[:, 3] = 200 - counts[:, :3].sum(axis=1)
    figure = label_bars(counts, [f"class {place}" for place in range(classes)])
    assert rendered(figure) == ((900, 600) if classes <= 8 else (1100, 900))
    assert words(figure).count("F1 0") >= min(classes, 25) - 1
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(names) == min(classes, 25)
    assert (names[-1] == "(others)") == (classes > 25)


def test_label_bars_of_nothing():
    figure = label_bars(np.array([[0, 0, 0, 5], [0, 0, 0, 5]]), ["a", "b"])
    assert "no class was there or predicted" in words(figure)


def fan(labels: list[float]) -> Curve:
    value = np.linspace(0.95, 0.97, len(labels))
    return Curve(np.array(labels), value, value - 0.01, value + 0.01)


def test_learning_curve_opens_a_fan_at_the_newest_point():
    figure = learning_curve(
        curve([0.9, 0.95]),
        forecast=fan([300, 400, 600]),
        wanted=[(300, "next batch"), (600, "rest")],
        target=0.97,
    )
    text = words(figure)
    for told in ("forecast", "next batch\n0.950", "rest\n0.970", "target 0.97"):
        assert told in text
    line = next(line for line in figure.axes[0].lines if line.get_label() == "forecast")
    assert line.get_xdata()[0] == 200
    assert line.get_ydata()[0] == pytest.approx(0.95)
    assert figure.axes[0].get_xlim()[1] > 600


def test_learning_curve_names_a_number_of_labels_once():
    wanted = [(300.0, "next batch"), (300.0, "rest of the budget")]
    text = words(learning_curve(curve([0.9, 0.95]), forecast=fan([300.0]), wanted=wanted))
    assert "next batch" in text
    assert "rest of the budget" not in text


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("points", "ahead"),
    [
        (curve([0.9]), fan([150.0])),
        (curve([0.9, np.nan]), fan([300.0, 400.0])),
        (curve([np.nan]), fan([300.0, 400.0])),
        (curve([0.9, 0.95]), fan([100.0])),  # nothing lies ahead
        (curve([0.9]), Curve(*(np.array([500.0]), *(np.array([np.nan]),) * 3))),
        (curve([0.9]), None),
    ],
)
def test_learning_curve_draws_whatever_is_known(points, ahead):
    wanted = [(300.0, "next batch")]
    assert rendered(learning_curve(points, forecast=ahead, wanted=wanted)) == (900, 600)


def test_burn_down_says_what_is_left_and_held():
    figure = burn_down(
        np.array([[4.0, 1.0], [5.0, 0.0]]),
        ["work", "audit"],
        rounds=[2, 3],
        budget=30,
        held=6,
        currency="USD",
    )
    text = words(figure)
    assert "14.00 of 30.00 USD left to plan with" in text
    assert "held for tasks that are out: 6.00" in text
    assert figure.axes[0].lines[0].get_ydata() == pytest.approx([30, 25, 20])


@pytest.mark.filterwarnings("error")
def test_burn_down_without_limit_or_rounds():
    assert "Spent: 3.00 EUR, no limit set" in words(
        burn_down(np.array([[3.0]]), ["work"], rounds=[1], budget=None)
    )
    assert rendered(burn_down(np.zeros((0, 1)), ["work"], rounds=[], budget=10)) == (900, 600)


def test_drift_bars_show_the_largest_ten_and_mark_drift():
    psi = {f"column {place}": 0.03 * place for place in range(15)} | {"unknown": np.nan}
    figure = drift_bars(psi)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == [f"column {place}" for place in range(14, 4, -1)]
    colours = [bar.get_facecolor() for bar in figure.axes[0].patches]
    assert len(set(colours[:6])) == 1
    assert colours[5] != colours[6]  # .27 is above the limit of .25, .24 is not


def test_overlap_bars_say_whose_share_is_which():
    text = words(overlap_bars({"entropy": 0.6, "random": 0.02}, batch=90))
    assert "Of the 90 chosen items, others would have taken" in text
    assert "60%\n2%" in text


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n", [1, 2, 8, 26])
def test_class_bars_stay_readable(n):
    value = np.linspace(0.5, 1, n)
    table = np.column_stack([value, value - 0.1, np.minimum(value + 0.1, 1)])
    table[0] = np.nan if n > 1 else table[0]
    names = [f"a rather long name of class {place}" for place in range(n)]
    figure = class_bars({"precision": table, "recall": table}, names, items=100)
    assert rendered(figure) == ((900, 600) if n <= 8 else (1100, 900))
    assert len(figure.axes[0].get_yticklabels()) == min(n, 25)


def test_class_bars_leave_out_the_classes_of_highest_recall():
    recall = np.repeat(np.linspace(0.9, 0.1, 26)[:, None], 3, axis=1)
    figure = class_bars({"precision": recall, "recall": recall}, [f"c{place}" for place in range(26)])
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert "c0" not in names
    assert names == [f"c{place}" for place in range(1, 26)]


def test_pictures_of_nothing_say_so():
    assert "nothing to compare with" in words(drift_bars({}))
    assert "no other strategy was asked" in words(overlap_bars({}))
    assert "no labelled item" in words(class_bars({}, ["a", "b"]))
    assert "no rule has been asked yet" in words(signal_panels({}))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n", [1, 9])
def test_signal_panels_draw_up_to_six_signals(n):
    table = np.array([[200, 0.5, 0.9, 0], [100, np.nan, np.nan, 0], [300, 0.95, 0.9, 1]])
    figure = signal_panels({f"rule_{place}": table for place in range(n)})
    assert rendered(figure) == (900, 600)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert [title for title in titles if title] == [f"rule {place}" for place in range(min(n, 6))]
    [stopped] = [line for line in figure.axes[0].lines if line.get_label() == "would stop"]
    assert list(stopped.get_xdata()) == [300]
