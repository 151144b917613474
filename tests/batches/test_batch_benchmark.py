"""The benchmark of batches, on a few rows, through the arguments a person would give."""

from __future__ import annotations

import json

import batch
import pytest
from batch_workload import traffic


def test_the_traffic_is_what_it_is_said_to_be():
    work = traffic(100)
    assert (len(work.batch), len(work.before), len(work.unavoidable.batch)) == (100, 20, 50)
    assert sum(each.kind == "near" for each in work.batch) == 30
    fresh = {each.number for each in work.unavoidable.batch}
    assert all((each.number in fresh) == (each.kind != "cached") for each in work.batch)


@pytest.mark.slow
def test_every_way_is_billed_and_every_bar_reported(capsys):
    assert batch.main(["--items", "60", "--results", "300", "--embedder", "hashed", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    figures = result["figures"]
    assert figures["upstream batch alone"]["cost_usd"] < figures["real time, unassisted"]["cost_usd"]
    assert figures["semcache batch"]["cost_usd"] < figures["upstream batch alone"]["cost_usd"]
    assert figures["semcache batch"]["wrong"] == 0
    assert figures["memory"]["streaming_mb"] > 0
    assert all({"name", "value", "required", "holds"} <= set(bar) for bar in result["bars"])
