"""What holds for all tests of reliability: their order, and their time before a release."""

from __future__ import annotations

from pathlib import Path

import pytest
from reliability_report import RELEASE

HOURS = 12


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # What takes longest begins first, so that others run beside it to its end.
    items.sort(key=lambda item: item.path.name != "test_soak.py")
    for item in items:
        if RELEASE and item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(HOURS * 3600), append=False)
