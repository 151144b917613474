"""Workloads: several as one, and where their data is to be had."""

from __future__ import annotations

from pathlib import Path

import pytest
from truth import Row, Verdict, Workload, same_class
from workloads import MissingData, joined, load_workload


def test_workloads_are_joined_with_classes_of_their_own() -> None:
    one = Workload("one", (Row("a", "same name"), Row("b", "same name")), same_class, same_class)
    other = Workload("other", (Row("c", "same name"),), same_class, same_class)
    both = joined("both", one, other)
    by_text = {row.text: row for row in both.rows}
    assert both.judge(by_text["a"], by_text["b"]) is Verdict.RIGHT
    assert both.judge(by_text["a"], by_text["c"]) is Verdict.WRONG


@pytest.mark.parametrize("name", ["banking77", "clinc150", "clinc150-all", "quora"])
def test_data_that_is_not_there_is_named_with_its_home(name: str, tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"public home|http"):
        load_workload(name, tmp_path)
    with pytest.raises(MissingData, match="--data"):
        load_workload(name, None)
