"""Logistic regression against coefficients that other people's tests assert.

The cases and their sources are in ``tests/cases/logistic.json``. Most are about
data that is not ours to ship: it is looked for in ``GRADFOLD_TEST_DATA``, or in
``shared`` beside the checkout.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv as pa_csv
import pytest

from mr import Dataset
from mr.algorithms import LogisticRegression, MulticlassEvaluator

HERE = Path(__file__).parent.parent
CASES = {case["name"]: case for case in json.loads((HERE / "cases/logistic.json").read_text())}
DATA = Path(os.environ.get("GRADFOLD_TEST_DATA", HERE.parent.parent / "shared"))

Found = dict[str, Any]


def data(case: str, key: str = "path") -> Path:
    path = DATA / CASES[case]["data"][key]
    if not path.exists():
        pytest.skip(f"{path} is not here: it is other people's data")
    return path


def fit(dataset: Dataset, **parameters: Any) -> LogisticRegression:
    model = LogisticRegression(tol=1e-10, max_iter=1000, **parameters).fit(dataset)
    assert model.fit_.status.converged
    return model


def spark(case: str, l2: float, fit_intercept: bool = True) -> Found:
    dataset = Dataset(data(case), label="label", weight="weight")
    model = fit(dataset, l2=l2, fit_intercept=fit_intercept)
    binary = len(model.coef_) == 1
    return {
        "coefficients": model.coef_[0] if binary else model.coef_,
        "intercept": model.intercept_[0],
        "intercepts": model.intercept_,
    }


def anes(case: str) -> Found:
    dataset = Dataset(data(case), label="y")
    model = fit(dataset)
    table = np.column_stack([model.coef_, model.intercept_])
    return {
        "coefficients_per_class_1_to_6_intercept_last": (table - table[0])[1:],
        "loglik": -model.fit_.objective * model.fit_.rows,
    }


def irls(case: str) -> Found:
    given = CASES[case]["data"]["inline"]
    dataset = Dataset.from_arrays(given["X"], given["y"], weight=given["weight"])
    model = fit(dataset)
    return {"coefficients_with_intercept_first": [*model.intercept_, *model.coef_[0]]}


def glmnet(case: str) -> Found:
    table = np.loadtxt(data(case), delimiter=",", skiprows=1)
    X = table[:, 1:]
    X = (X - X.mean(axis=0)) / X.std(axis=0, ddof=1)
    model = fit(Dataset.from_arrays(X, table[:, 0]), l2=6.618737, fit_intercept=False)
    return {"coefficients": model.coef_[0]}


def heart(case: str) -> Found:
    dataset = Dataset(data(case), format="libsvm")
    block = dataset.read(0)
    X = np.column_stack([block.features.dense(13), np.ones(block.rows)])
    # liblinear's penalty is on the sum of losses, and on the bias too.
    model = fit(Dataset.from_arrays(X, block.labels), l2=1 / len(X), fit_intercept=False)
    return {"w": model.coef_[0]}


def higgs(case: str) -> Found:
    def read(path: Path) -> Dataset:
        options = pa_csv.ReadOptions(autogenerate_column_names=True)
        tabs = pa_csv.ParseOptions(delimiter="\t")
        table = pa_csv.read_csv(path, options, tabs)
        X = np.column_stack([*table.columns[1:], np.ones(len(table))])
        return Dataset.from_arrays(X, table.column(0))

    train, test = read(data(case)), read(data(case, "test_path"))
    model = fit(train, l2=1 / 7000, fit_intercept=False)
    metrics = MulticlassEvaluator().evaluate(model.transform(test))
    return {"w": model.coef_[0], "test_accuracy": metrics["accuracy"]}


RUNS: dict[str, Callable[[str], Found]] = {
    "spark_logistic_plain_no_intercept": lambda case: spark(case, 0.0, fit_intercept=False),
    "spark_logistic_l2_raw": lambda case: spark(case, 1.37),
    "spark_multinomial_plain": lambda case: spark(case, 0.0),
    "spark_multinomial_l2_raw": lambda case: spark(case, 0.1),
    "sm_anes96_mnlogit": anes,
    "spark_irls_binomial": irls,
    "sm_glmnet_binomial_a0_l6.619": glmnet,
    "liblinear_heart_l2_logistic": heart,
    "liblinear_lightgbm_binary_l2_logistic": higgs,
}


def test_every_case_is_run() -> None:
    assert RUNS.keys() == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    case = CASES[name]
    found = RUNS[name](name)
    for key, expected in case["expected"].items():
        bounds = case["tolerance"].get(key, case["tolerance"]["*"])
        np.testing.assert_allclose(
            found[key],
            expected,
            rtol=bounds.get("rel", 0.0),
            atol=bounds.get("abs", 0.0),
            err_msg=f"{key}, from {case['source']}",
        )
