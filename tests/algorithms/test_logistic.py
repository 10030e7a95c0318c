"""Logistic regression from files and arrays, against scikit-learn, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets
from sklearn.linear_model import LogisticRegression as Reference

from mr import Dataset
from mr.algorithms import LinearClassifier, LogisticRegression
from mr.errors import (
    CorruptFile,
    EmptyDataset,
    MissingValues,
    UnsuitableLabels,
    UsageError,
)
from mr.solver import Status

SETS = {
    "iris": datasets.load_iris,
    "breast cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
}


def load(name: str) -> tuple[np.ndarray, np.ndarray]:
    X, y = SETS[name](return_X_y=True)
    spread = X.std(axis=0)
    return (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1), y


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize(
    ("name", "solver"),
    [
        ("iris", "newton"),
        ("iris", "lbfgs"),
        ("breast cancer", "newton"),
        ("breast cancer", "lbfgs"),
        ("digits", "lbfgs"),
    ],
)
def test_agrees_with_scikit_learn(name: str, solver: str) -> None:
    X, y = load(name)
    l2 = 1e-2
    model = LogisticRegression(l2=l2, tol=1e-11, solver=solver, max_iter=2000)
    model.fit(Dataset.from_arrays(X, y), engine="inline")
    reference = Reference(C=1 / (len(X) * l2), tol=1e-12, solver="newton-cg", max_iter=1000)
    reference.fit(X, y)
    assert model.fit_.status is Status.CONVERGED
    assert relative(model.coef_, reference.coef_) < 1e-6
    free = (
        reference.intercept_
        if len(reference.intercept_) == 1
        else (reference.intercept_ - reference.intercept_.mean())
    )
    assert relative(model.intercept_, free) < 1e-6


def test_weights_count_as_repetitions() -> None:
    X, y = load("breast cancer")
    repeats = np.arange(len(X)) % 3  # weight zero leaves a record out
    weighted = Dataset.from_arrays(X, y, weight=repeats)
    repeated = Dataset.from_arrays(np.repeat(X, repeats, axis=0), np.repeat(y, repeats))
    fits = [
        LogisticRegression(l2=1e-2, tol=1e-11).fit(data, engine="inline")
        for data in (weighted, repeated)
    ]
    assert relative(fits[0].coef_, fits[1].coef_) < 1e-8


def test_sparse_and_dense_reach_the_same_model(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    X = rng.normal(size=(500, 30)) * (rng.random((500, 30)) < 0.1)
    y = np.array(["no", "yes"])[(X.sum(axis=1) + rng.logistic(size=500) > 0).astype(int)]
    import scipy.sparse

    fits = [
        LogisticRegression(l2=1e-2, tol=1e-11).fit(Dataset.from_arrays(given, y), engine="inline")
        for given in (X, scipy.sparse.csr_matrix(X))
    ]
    assert [fit.model_.schema.sparse for fit in fits] == [False, True]
    assert relative(fits[0].coef_, fits[1].coef_) < 1e-8


def test_float32_stays_and_agrees() -> None:
    X, y = load("breast cancer")
    single = X.astype(np.float32)
    model = LogisticRegression(l2=1e-2, tol=1e-10).fit(Dataset.from_arrays(single, y))
    assert model.model_.schema.dtype == "float32"
    reference = LogisticRegression(l2=1e-2, tol=1e-10).fit(
        Dataset.from_arrays(single.astype(np.float64), y)
    )
    assert relative(model.coef_, reference.coef_) < 1e-9


def test_survives_its_file(tmp_path: Path) -> None:
    X, y = load("iris")
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = LogisticRegression(l2=1e-2).fit(Dataset.from_arrays(X, names))
    path = str(tmp_path / "iris.model")
    model.save(path)
    again = LinearClassifier.load(path)
    assert again.digest() == model.model_.digest()
    assert again.classes.tolist() == ["setosa", "versicolor", "virginica"]
    assert again.schema == model.model_.schema


def test_a_damaged_model_is_never_a_wrong_one(tmp_path: Path) -> None:
    X, y = load("iris")
    path = tmp_path / "iris.model"
    LogisticRegression(l2=1e-2).fit(Dataset.from_arrays(X, y)).save(str(path))
    good = path.read_bytes()
    expected = LinearClassifier.load(str(path)).digest()
    for place in range(0, len(good), 7):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0x10]) + good[place + 1 :])
        try:
            assert LinearClassifier.load(str(path)).digest() == expected  # a flip in the padding
        except (CorruptFile, UsageError):
            continue


def test_running_out_of_iterations_is_not_convergence() -> None:
    X, y = load("breast cancer")
    model = LogisticRegression(max_iter=2, solver="lbfgs").fit(Dataset.from_arrays(X, y))
    assert model.fit_.status is Status.MAX_ITERATIONS
    assert "raise max_iter" in model.fit_.status.value


def test_separable_data_without_a_penalty_is_said_not_to_converge() -> None:
    X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    data = Dataset.from_arrays(X, [0, 0, 1, 1])
    model = LogisticRegression(tol=1e-12, max_iter=20).fit(data)
    assert not model.fit_.status.converged
    assert "l2" in model.fit_.status.value


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"l2": -1.0}, "not below 0"),
        ({"l2": float("nan")}, "not below 0"),
        ({"tol": 0.0}, "between 0 and 1"),
        ({"max_iter": 0}, "1 or more"),
        ({"solver": "sgd"}, "auto, lbfgs, newton"),
    ],
)
def test_refuses_parameters_at_once(parameters: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        LogisticRegression(**parameters)


def test_names_the_missing_value() -> None:
    X, y = load("iris")
    X[17, 2] = np.nan
    data = Dataset.from_arrays(X, y, names=["a", "b", "c", "d"])
    with pytest.raises(MissingValues, match="row 17, column c") as caught:
        LogisticRegression().fit(data)
    assert "fill them in" in str(caught.value)


def test_refuses_one_class() -> None:
    with pytest.raises(UnsuitableLabels, match="All records have the label"):
        LogisticRegression().fit(Dataset.from_arrays(np.eye(3), [1, 1, 1]))


def test_refuses_measurements_as_classes() -> None:
    y = np.random.default_rng(0).normal(size=2000)
    with pytest.raises(UnsuitableLabels, match="not classes"):
        LogisticRegression().fit(Dataset.from_arrays(y[:, None], y))


def test_refuses_records_without_labels() -> None:
    with pytest.raises(UsageError, match="no labels"):
        LogisticRegression().fit(Dataset.from_arrays(np.eye(3)))


def test_refuses_no_records(tmp_path: Path) -> None:
    path = tmp_path / "empty.libsvm"
    path.write_text("")
    with pytest.raises(EmptyDataset):
        LogisticRegression().fit(Dataset(path))


def test_refuses_a_share_without_records() -> None:
    data = Dataset.from_arrays(np.eye(3), [0, 1, 0]).sample(1e-9)
    with pytest.raises(EmptyDataset, match="selected share"):
        LogisticRegression().fit(data)


def test_refuses_weights_that_are_all_zero() -> None:
    data = Dataset.from_arrays(np.eye(3), [0, 1, 0], weight=[0, 0, 0])
    with pytest.raises(EmptyDataset, match="positive weight"):
        LogisticRegression().fit(data, engine="inline")
