"""Models by the kind that their file says, and what is done with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mr.launch import Settings
    from mr.storage.dataset import Dataset


def load(url: str) -> Any:
    """Read a model of any registered kind.

    Raises
    ------
    NotFound
        If there is no file.
    CorruptFile
        If it is damaged, or no file of ours.
    UsageError
        If it holds something else than a model.
    """
    from mr.errors import Place, UsageError
    from mr.registry import MODELS
    from mr.storage.container import unpack
    from mr.storage.directory import read_bytes

    kind = unpack(read_bytes(url), source=url)[0].get("kind")
    if kind not in MODELS.entries():
        raise UsageError(
            f"The file holds {kind or 'something else than a model'}",
            place=Place(file=url),
            remedy="give the file that 'mr fit ... --model FILE' wrote",
        )
    return MODELS.load(kind).load(url)


def predictions(model: Any, dataset: Dataset) -> Any:
    """Return the lazy predictions of a classifier for a dataset."""
    from mr.registry import PREDICTIONS

    return PREDICTIONS.load("classifier")(model, dataset)


def metrics(
    model: Any, dataset: Dataset, settings: Settings, evaluator: str = "auto"
) -> dict[str, Any]:
    """Evaluate a classifier on labelled data.

    Parameters
    ----------
    model : LinearClassifier
    dataset : Dataset
    settings : mapping
        Keywords of the run.
    evaluator : str
        A registered one; ``auto`` goes by the number of classes.
    """
    from mr.registry import EVALUATORS

    if evaluator == "auto":
        evaluator = "binary" if len(model.classes) == 2 else "multiclass"
    found = EVALUATORS.load(evaluator)().evaluate(predictions(model, dataset), **settings)
    return dict(found)
