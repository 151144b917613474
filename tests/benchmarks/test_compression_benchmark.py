"""The benchmark of compression on a few talks of our own."""

from __future__ import annotations

import compression_quality as quality
import pytest
from compression_data import Case, Turn, kept_share

from semcache.embedders.hashed import HashedEmbedder

OLD = (
    Turn(True, "Hello there. I am looking for a small boat in Malmo."),
    Turn(False, "How nice. Boats are fun. The Petrel is a small boat that costs $40."),
    Turn(True, "Something else, please."),
    Turn(False, "Then shall I book the Heron in Malmo on June 3rd?"),
    Turn(True, "Yes, please. I am looking forward to it a lot."),
    Turn(False, "It is done. I hope that the weather stays fine for you."),
)
RECENT = (Turn(True, "Thanks."), Turn(False, "Anything else?"), Turn(True, "No."))
CASE = Case(
    "a-1", OLD, RECENT, frozenset({"malmo", "heron", "june 3rd"}),
    (frozenset({"malmo"}), frozenset({"heron"}), frozenset({"june 3rd", "the third"})),
)  # fmt: skip


def test_every_method_keeps_within_the_budget_and_all_at_full_budget() -> None:
    for name, method in quality.methods(HashedEmbedder().embed).items():
        half = quality._row([CASE], [method(CASE, 0.5)], seeds=2)
        full = quality._row([CASE], [method(CASE, 1.0)], seeds=2)
        assert half["tokens"] <= 0.5 or name in (quality.FROZEN, quality.SMALLER)
        assert full["kept"] == 1.0


def test_what_was_confirmed_is_kept_rather_than_what_was_turned_down() -> None:
    kept = quality.methods(HashedEmbedder().embed)[quality.OURS](CASE, 0.4)
    assert kept_share([(CASE, " ".join(kept))], is_strict=True) == 1.0
    assert "Petrel" not in " ".join(kept)


def test_any_wording_of_a_need_will_do_unless_strict() -> None:
    case = Case("a-2", OLD, RECENT, frozenset({"june 3rd", "the third"}), (frozenset({"june 3rd", "the third"}),))
    assert kept_share([(case, "On the  Third.")], is_strict=False) == 1.0
    assert kept_share([(case, "On the  Third.")], is_strict=True) == 0.5


def test_both_halves_hold_whole_conversations_and_none_in_common() -> None:
    cases = [Case(f"2020-{c:03}-{t:02}", OLD, RECENT, frozenset(), ()) for c in range(5) for t in range(3)]
    tuning, held_out = (quality._half(cases, tuning=tuning) for tuning in (True, False))
    assert {quality._group(case) for case in tuning}.isdisjoint(quality._group(case) for case in held_out)
    assert len(tuning) + len(held_out) == len(cases)


def test_a_run_has_figures_bars_and_a_curve(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    figures, curves = quality.measure({"SGD": [CASE], "CAsT": [CASE]}, HashedEmbedder().embed, seeds=1, curve=False)
    bars = quality.bars_of(figures)
    assert len(bars) == 9
    assert quality.draw_compression(curves, file=tmp_path / "c.svg", ours=quality.OURS).read_text().startswith("<")


def test_missing_data_is_told(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    assert quality.main(["--data", str(tmp_path), "--quick"]) == 1
    assert "sgd_sample" in capsys.readouterr().err
