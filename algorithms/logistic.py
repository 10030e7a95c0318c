r"""Logistic regression, binary and multinomial, with an L2 penalty.

The objective, over records with weights :math:`v_i`:

.. math::
    \frac{\sum_i v_i \, loss_i}{\sum_i v_i} + \frac{l2}{2} \lVert W \rVert^2

with the losses of `mr.algorithms.kernels.dense`; intercepts are not penalised.
In terms of scikit-learn's C with unit weights, l2 = 1 / (n C).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Unpack

import numpy as np
from numpy.typing import NDArray

from mr.algorithms.design import LayOut
from mr.algorithms.linear import Layout
from mr.algorithms.logistic_job import LogisticJob
from mr.algorithms.model import LinearClassifier
from mr.algorithms.predictions import Predictions
from mr.algorithms.solvers.lbfgs import LBFGS
from mr.algorithms.solvers.newton import Newton
from mr.errors import (
    NOWHERE,
    EmptyDataset,
    MissingValues,
    Place,
    UnsuitableLabels,
    UsageError,
)
from mr.iterate import Outcome, iterate
from mr.launch import Settings, launch
from mr.session import RunOptions, Session
from mr.solver import Solver, Status
from mr.statistic import Sums
from mr.storage.dataset import Dataset
from mr.storage.schema import Schema
from mr.survey import Facts

Array = NDArray[Any]

NEWTON_WORK = 2e8
"""Rows times coefficients squared up to which ``auto`` takes Newton's method: its few passes
are then cheap. Beyond, the Hessian costs more than the passes that it saves."""
NEWTON_SIZE = 200
"""Coefficients up to which it does."""


@dataclass(frozen=True)
class Fit:
    """How a fit went.

    Attributes
    ----------
    model : LinearClassifier
    status : Status
    objective : float
    iterations, passes : int
        Steps of the solver, and reads of the training data.
    rows, blocks : int
    skipped_records : int
        Malformed records that were left out.
    skipped_blocks : tuple of int
        Blocks that were left out whole,
    skipped_share : float
        and their share of the bytes.
    engine : str
    decode_seconds, fit_seconds : float
        Up to the first round (survey and layout), and the rounds.
    """

    model: LinearClassifier
    status: Status
    objective: float
    iterations: int
    passes: int
    rows: int
    blocks: int
    skipped_records: int
    skipped_blocks: tuple[int, ...]
    skipped_share: float
    engine: str
    decode_seconds: float
    fit_seconds: float


class LogisticRegression:
    """Logistic regression.

    Parameters
    ----------
    l2 : float
        Strength of the penalty, 0 or more.
    fit_intercept : bool
        Whether there are intercepts.
    tol : float
        The fit has converged when the gradient is this small relative to its start,
        in the norm of the solver's metric.
    max_iter : int
        Steps of the solver.
    solver : {"auto", "lbfgs", "newton"}
        ``auto`` takes Newton's method for a few dense columns. L-BFGS gives the same
        bits on all processors, Newton (by BLAS) on all of one class.

    Attributes
    ----------
    coef_ : ndarray of float64, shape (K, width)
    intercept_ : ndarray of float64, shape (K,)
    classes_ : ndarray, shape (classes,)
    model_ : LinearClassifier
    fit_ : Fit

    Examples
    --------
    >>> import numpy as np
    >>> from mr import Dataset
    >>> from mr.algorithms import LogisticRegression
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> data = Dataset.from_arrays(X, np.array(["no", "no", "yes", "yes"]))
    >>> model = LogisticRegression(l2=0.1).fit(data)
    >>> model.fit_.status.converged, model.classes_.tolist()
    (True, ['no', 'yes'])
    """

    def __init__(
        self,
        *,
        l2: float = 0.0,
        fit_intercept: bool = True,
        tol: float = 1e-6,
        max_iter: int = 200,
        solver: Literal["auto", "lbfgs", "newton"] = "auto",
    ) -> None:
        if not 0 <= l2 < float("inf"):
            raise UsageError(f"l2 is {l2}", remedy="give a number not below 0")
        if not 0 < tol < 1:
            raise UsageError(f"tol is {tol}", remedy="give a number between 0 and 1")
        if max_iter < 1:
            raise UsageError(f"max_iter is {max_iter}", remedy="give 1 or more")
        if solver not in ("auto", "lbfgs", "newton"):
            raise UsageError(
                f"There is no solver {solver!r}", remedy="use one of auto, lbfgs, newton"
            )
        self.l2 = l2
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.solver = solver

    def fit(self, dataset: Dataset, **settings: Unpack[Settings]) -> LogisticRegression:
        """Fit the model to the selected records of a dataset.

        Parameters
        ----------
        dataset : Dataset
            With labels.
        **settings
            Fields of `RunOptions`: ``engine``, ``workers``, ``faults``, ``run``, …

        Returns
        -------
        LogisticRegression
            Itself.

        Raises
        ------
        MissingValues, UnsuitableLabels, EmptyDataset, InvalidWeight
            If the data cannot be learned from.
        GradfoldError
            If the run cannot go on.
        """
        options = RunOptions(**settings)
        parameters = self.get_params()
        identity = {
            "estimator": "logistic",
            "parameters": parameters,
            "dataset": dataset.digest(),
        }
        recipe = {
            "estimator": "logistic",
            "parameters": parameters,
            "dataset": dataset.describe(),
            "engine": options.engine,
            "workers": options.workers,
        }
        with launch(dataset, options, identity, releases_lock=True, recipe=recipe) as session:
            self.fit_ = self._fit(dataset, session)
        self.model_ = self.fit_.model
        self.coef_ = self.model_.coefficients
        self.intercept_ = self.model_.intercepts
        self.classes_ = self.model_.classes
        return self

    def transform(self, dataset: Dataset) -> Predictions:
        """Return the predictions for a dataset; nothing is computed until they are asked for.

        Raises
        ------
        UsageError
            If the model has not been fitted.
        """
        if not hasattr(self, "model_"):
            raise UsageError("The model has not been fitted", remedy="call fit first")
        return Predictions(self.model_, dataset)

    def save(self, url: str) -> None:
        """Write the fitted model; see `LinearClassifier.save`."""
        self.model_.save(url)

    def get_params(self) -> dict[str, Any]:
        """Return the parameters by name."""
        names = ("l2", "fit_intercept", "tol", "max_iter", "solver")
        return {name: getattr(self, name) for name in names}

    def _fit(self, dataset: Dataset, session: Session) -> Fit:
        clock = session.workers.clock  # a simulated engine has its own
        started = clock()
        facts = session.survey(dataset)
        check_suitable(facts.schema, dataset.where)
        layout = Layout(facts.schema.width, len(facts.schema.classes or ()), self.fit_intercept)
        laid = session.run_pass(LayOut(facts.schema), dataset, purpose="layout")
        if not isinstance(laid, Sums):
            raise EmptyDataset("The selected share of the dataset holds no records")
        decoded = clock()
        solver, hessian = self._solver(layout, facts)
        job = LogisticJob(facts.schema, layout, self.l2, hessian=hessian)
        outcome = iterate(job, solver, dataset, session)
        return Fit(
            model=self._model(layout, facts.schema, outcome),
            status=outcome.status,
            objective=outcome.report["loss"],
            iterations=int(outcome.report["iteration"]),
            passes=outcome.passes,
            rows=int(laid["rows"]),
            blocks=len(dataset.blocks),
            skipped_records=facts.schema.skipped,
            skipped_blocks=tuple(sorted(session.skipped.blocks)),
            skipped_share=session.skipped.share({b.index: b.nbytes for b in dataset.blocks}),
            engine=session.engine,
            decode_seconds=decoded - started,
            fit_seconds=clock() - decoded,
        )

    def _solver(self, layout: Layout, facts: Facts) -> tuple[Solver[Any], bool]:
        metric = layout.metric(facts.mean_square, self.l2)
        work = facts.schema.rows * layout.size**2
        small = work <= NEWTON_WORK and layout.size <= NEWTON_SIZE
        if self.solver == "newton" or (self.solver == "auto" and small):
            newton = Newton(layout.zeros(), metric=metric, tol=self.tol, max_iter=self.max_iter)
            return newton, True
        return LBFGS(layout.zeros(), metric=metric, tol=self.tol, max_iter=self.max_iter), False

    def _model(self, layout: Layout, schema: Schema, outcome: Outcome[Any]) -> LinearClassifier:
        W, b = layout.split(layout.centre(outcome.state.x, self.l2))
        training = {
            "estimator": "logistic",
            "parameters": self.get_params(),
            "objective": outcome.report["loss"],
            "status": outcome.status.name,
            "passes": outcome.passes,
        }
        return LinearClassifier(W, b, np.array(schema.classes), schema, training)


def check_suitable(schema: Schema, where: Place = NOWHERE) -> None:
    """Refuse data that a classifier cannot be fitted to, and name the remedy.

    Parameters
    ----------
    schema : Schema
    where : Place
        Of the data, for messages about all of it.

    Raises
    ------
    UsageError
        If there are no labels.
    MissingValues
        If a feature or a label is missing.
    UnsuitableLabels
        If there is one class, or more than are classes.
    """
    if schema.labels is None:
        raise UsageError(
            "The records have no labels",
            place=where,
            remedy="name their column: label= (--label)",
        )
    if schema.missing or schema.missing_labels:
        raise MissingValues(
            f"{schema.missing} feature values are missing or infinite, and "
            f"{schema.missing_labels} labels are missing",
            place=schema.first_missing or where,
            cause="empty fields, nulls, NaN or infinities; the first is named above",
            remedy="fill them in, or leave those records or columns out",
        )
    if schema.classes is None:
        raise UnsuitableLabels(
            "There are more than 1000 distinct labels: they are not classes",
            place=where,
            cause="the label is a measured quantity, or an identity",
            remedy="choose another label column, or bin it",
        )
    if len(schema.classes) < 2:
        raise UnsuitableLabels(
            f"All records have the label {_shown(schema.classes[0])}",
            place=where,
            cause="a classifier needs two classes at least",
            remedy="add records of another class, or choose another label column",
        )


def _shown(label: float | str) -> str:
    return repr(label) if isinstance(label, str) else f"{label:g}"
