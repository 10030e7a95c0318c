"""Evaluators agree with scikit-learn, in one pass, whatever the blocks and the engine."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
from classifiers import model_of
from sklearn import metrics

from mr import Dataset
from mr.algorithms.evaluation import BinaryEvaluator, EvaluateJob, MulticlassEvaluator
from mr.algorithms.kernels import link
from mr.algorithms.predictions import Predictions
from mr.algorithms.ranking import Ranking
from mr.errors import EmptyDataset, MissingValues, SchemaMismatch, UsageError
from mr.launch import fold

ROWS = 500
CLOSE = {"rel": 1e-12, "abs": 1e-12}


BINARY = model_of([[1.0]], [0.0], [0.0, 1.0])
"""Its margin is the one feature."""
TERNARY = model_of(np.eye(3), [0.0] * 3, ["a", "b", "c"])
"""Its margins are the three features."""


def evaluate(evaluator, model, X, y, weight=None, blocks=6, **settings):
    X = np.asarray(X, np.float64)
    data = Dataset.from_arrays(X, y, weight=weight, block_size=max(1, X.nbytes // blocks))
    return evaluator().evaluate(Predictions(model, data), **{"engine": "inline"} | settings)


def weights_for(kind, rng):
    match kind:
        case "none":
            return None
        case "real":
            return rng.uniform(0.1, 3.0, ROWS)
        case "with zeros":
            return rng.integers(0, 3, ROWS).astype(float)


def margins_for(kind, rng, shape):
    z = rng.normal(size=shape) * 2
    return z if kind == "random" else np.round(z)


WEIGHTS = pytest.mark.parametrize("weighting", ["none", "real", "with zeros"])
SCORES = pytest.mark.parametrize("scoring", ["random", "tied"])


# -- agreement --------------------------------------------------------------


@WEIGHTS
@SCORES
def test_binary_measures_agree_with_scikit_learn(weighting, scoring, seed):
    rng = np.random.default_rng(seed)
    z, weight = margins_for(scoring, rng, ROWS), weights_for(weighting, rng)
    y = (z + rng.normal(size=ROWS) * 2 > 0).astype(float)
    found = evaluate(BinaryEvaluator, BINARY, z[:, None], y, weight)
    chosen, options = (z > 0).astype(float), {"sample_weight": weight}
    kept = np.ones(ROWS, bool) if weight is None else weight > 0
    expected = {
        "rows": kept.sum(),
        "errors": (chosen != y)[kept].sum(),
        "accuracy": metrics.accuracy_score(y, chosen, **options),
        "log_loss": metrics.log_loss(y, 1 / (1 + np.exp(-z)), **options),
        "roc_auc": metrics.roc_auc_score(y, z, **options),
        "precision": metrics.precision_score(y, chosen, **options),
        "recall": metrics.recall_score(y, chosen, **options),
        "f1": metrics.f1_score(y, chosen, **options),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, **CLOSE)
    matrix = metrics.confusion_matrix(y, chosen, **options)
    np.testing.assert_allclose(found["confusion_matrix"], matrix, rtol=1e-12)
    assert found["classes"] == [0, 1]
    assert found.keys() == {*expected, "classes", "confusion_matrix"}


@WEIGHTS
@SCORES
def test_multiclass_measures_agree_with_scikit_learn(weighting, scoring, seed):
    rng = np.random.default_rng(seed)
    z, weight = margins_for(scoring, rng, (ROWS, 3)), weights_for(weighting, rng)
    names = np.array(["a", "b", "c"])
    y = names[(z + rng.normal(size=z.shape) * 2).argmax(axis=1)]
    found = evaluate(MulticlassEvaluator, TERNARY, z, y, weight)
    chosen, options = names[z.argmax(axis=1)], {"sample_weight": weight}
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    kept = np.ones(ROWS, bool) if weight is None else weight > 0
    expected = {
        "rows": kept.sum(),
        "errors": (chosen != y)[kept].sum(),
        "accuracy": metrics.accuracy_score(y, chosen, **options),
        "log_loss": metrics.log_loss(y, p, **options),
        "macro_f1": metrics.f1_score(y, chosen, average="macro", **options),
        "weighted_f1": metrics.f1_score(y, chosen, average="weighted", **options),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, **CLOSE)
    matrix = metrics.confusion_matrix(y, chosen, **options)
    np.testing.assert_allclose(found["confusion_matrix"], matrix, rtol=1e-12)
    assert found["classes"] == ["a", "b", "c"]
    assert found.keys() == {*expected, "classes", "confusion_matrix"}


def test_means_are_over_classes_that_occur(seed):
    z = np.random.default_rng(seed).normal(size=(ROWS, 3))
    z[:, 2] = -10.0  # never predicted, and never true
    y = np.array(["a", "b"])[(z[:, 1] > 0.5).astype(int)]
    found = evaluate(MulticlassEvaluator, TERNARY, z, y)
    chosen = np.array(["a", "b", "c"])[z.argmax(axis=1)]
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(y, chosen, average="macro"))


def test_the_multiclass_evaluator_takes_two_classes_as_well(seed):
    z = np.random.default_rng(seed).normal(size=ROWS)
    y = (z > 0.3).astype(float)
    two = evaluate(BinaryEvaluator, BINARY, z[:, None], y)
    many = evaluate(MulticlassEvaluator, BINARY, z[:, None], y)
    for name in ("rows", "errors", "accuracy", "log_loss", "confusion_matrix"):
        assert two[name] == many[name]


# -- the area under the curve ---------------------------------------------------


def test_margins_are_ranked_where_probabilities_would_tie():
    z = np.array([40.0, 50.0, 60.0, 70.0])  # the probabilities of all are 1
    found = evaluate(BinaryEvaluator, BINARY, z[:, None], [0, 0, 1, 1])
    assert found["roc_auc"] == 1.0


def test_the_loss_is_exact_where_probabilities_are_zero_and_one():
    found = evaluate(BinaryEvaluator, BINARY, [[-1000.0], [45.0]], [1, 1])
    assert found["log_loss"] == 500.0
    found = evaluate(BinaryEvaluator, BINARY, [[45.0]], [1])
    assert found["log_loss"] == pytest.approx(np.exp(-45.0), rel=1e-14)


@pytest.mark.parametrize("classes", [2, 3])
def test_losses_of_margins_agree_with_the_formula(classes, seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(1000, 1 if classes == 2 else classes)) * rng.choice(
        [1, 30, 600], (1000, 1)
    )
    codes = rng.integers(0, classes, 1000).astype(np.int32)
    full = np.hstack([np.zeros_like(z), z]) if classes == 2 else z
    expected = np.logaddexp.reduce(full, axis=1) - full[np.arange(1000), codes]
    np.testing.assert_allclose(link.losses(z, codes), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_alone_has_no_area_and_says_so(label, caplog):
    with caplog.at_level(logging.WARNING, "mr"):
        found = evaluate(BinaryEvaluator, BINARY, [[1.0], [2.0]], [label, label])
    assert found["roc_auc"] is None
    assert "one class" in caplog.text
    assert found["accuracy"] == float(label)


def test_the_area_of_many_ties_in_many_blocks_is_exact_in_whole_numbers(seed):
    rng = np.random.default_rng(seed)
    z, codes = rng.integers(0, 4, 300) / 8.0, rng.integers(0, 2, 300)
    parts = [Ranking.of(z[i : i + 7], codes[i : i + 7], None) for i in range(0, 300, 7)]
    total = parts[0]
    for part in parts[1:]:
        total = total.merge(part)
    one = Ranking.of(z, codes, None)
    assert len(total.score) == 4
    assert total.encode() == one.encode()
    pairs = [(a > b) + (a == b) / 2 for a in z[codes == 1] for b in z[codes == 0]]
    assert total.area() == sum(pairs) / len(pairs)


# -- how it is computed -----------------------------------------------------


@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_the_same_bits_on_every_engine(engine, seed, monkeypatch, tmp_path):
    rng = np.random.default_rng(seed)
    z, weight = rng.normal(size=(ROWS, 1)), rng.uniform(0, 1, ROWS)
    y = rng.integers(0, 2, ROWS)
    inline = evaluate(BinaryEvaluator, BINARY, z, y, weight)
    monkeypatch.setenv("GRADFOLD_CACHE", str(tmp_path))  # in which there is nothing yet
    assert evaluate(BinaryEvaluator, BINARY, z, y, weight, engine=engine, workers=2) == inline


def test_one_pass_for_all_measures(monkeypatch):
    passes = []

    def counted(job, dataset, **settings):
        passes.append(job)
        return fold(job, dataset, **settings)

    monkeypatch.setattr("mr.algorithms.evaluation.fold", counted)
    evaluate(BinaryEvaluator, BINARY, np.ones((3, 1)), [0, 1, 1])
    assert [type(job) for job in passes] == [EvaluateJob]


def test_measures_are_plain_values(seed):
    rng = np.random.default_rng(seed)
    found = evaluate(BinaryEvaluator, BINARY, rng.normal(size=(9, 1)), [0, 1, 1] * 3)
    assert json.loads(json.dumps(found)) == found
    assert all(type(cell) is int for row in found["confusion_matrix"] for cell in row)


def test_a_selection_is_evaluated_alone(seed):
    X = np.random.default_rng(seed).normal(size=(ROWS, 1))
    _, test = Dataset.from_arrays(X, X[:, 0] > 0).random_split([0.8, 0.2], seed=1)
    found = BinaryEvaluator().evaluate(Predictions(BINARY, test))
    assert 50 < found["rows"] < 160


# -- what is refused ----------------------------------------------------------


def test_three_classes_are_referred_to_the_other_evaluator():
    with pytest.raises(UsageError, match="MulticlassEvaluator"):
        evaluate(BinaryEvaluator, TERNARY, np.eye(3), ["a", "b", "c"])


@pytest.mark.parametrize("evaluator", [BinaryEvaluator, MulticlassEvaluator])
def test_data_without_labels_is_refused(evaluator):
    with pytest.raises(UsageError, match="label="):
        evaluate(evaluator, BINARY, [[1.0]], None)


def test_a_label_that_the_model_does_not_know_is_refused():
    with pytest.raises(SchemaMismatch, match=r"label 2(\.0)? is none of the model's classes"):
        evaluate(BinaryEvaluator, BINARY, [[1.0], [1.0]], [1, 2])


@pytest.mark.parametrize(
    ("model", "X", "y", "remedy"),
    [
        (BINARY, [[1.0]], ["1"], "label_type='number'"),
        (TERNARY, np.eye(3), [1, 2, 3], "label_type='string'"),
    ],
)
def test_labels_of_the_other_kind_are_refused_with_the_remedy(model, X, y, remedy):
    with pytest.raises(SchemaMismatch, match=remedy):
        evaluate(MulticlassEvaluator, model, X, y)


@pytest.mark.parametrize(
    ("model", "X", "y"), [(BINARY, [[1.0]] * 2, [1, np.nan]), (TERNARY, np.eye(3)[:2], ["a", ""])]
)
def test_a_missing_label_is_refused_with_its_place(model, X, y):
    with pytest.raises(MissingValues, match="label is missing") as caught:
        evaluate(MulticlassEvaluator, model, X, y, blocks=1)
    assert caught.value.place.row == 1


def test_weights_that_are_all_zero_leave_nothing_to_evaluate():
    with pytest.raises(EmptyDataset, match="positive weight"):
        evaluate(BinaryEvaluator, BINARY, [[1.0], [2.0]], [0, 1], [0.0, 0.0])
