"""What calls cost: check values for every model, and the laws of the price book."""

from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.message import Usage
from semcache.pricing import Disabled, Preserved, PriceBook, Sampling, estimate_tokens, find_claude_manifest

BOOK = PriceBook.load(Path(__file__).parents[1] / "models" / "claude.toml")
TODAY = date(2026, 11, 23)
MILLION = 1_000_000

# input, output, cache write 5m, cache write 1h, cache read: dollars for a million tokens of each kind
PRICES = {
    "claude-fable-5-2": ("8", "40", "10", "16", "0.20"),
    "claude-mythos-5-2": ("8", "40", "10", "16", "0.20"),
    "claude-opus-5-5": ("4", "20", "5", "8", "0.20"),
    "claude-sonnet-5-5": ("2", "10", "2.5", "4", "0.10"),
    "claude-haiku-5-5": ("0.10", "0.50", "0.125", "0.20", "0.01"),
    "claude-fable-5-1": ("10", "50", "12.5", "20", "0.25"),
    "claude-mythos-5-1": ("10", "50", "12.5", "20", "0.25"),
    "claude-opus-5": ("5", "25", "6.25", "10", "0.50"),
    "claude-opus-4-8": ("5", "25", "6.25", "10", "0.50"),
    "claude-opus-4-7": ("5", "25", "6.25", "10", "0.50"),
    "claude-opus-4-6": ("5", "25", "6.25", "10", "0.50"),
    "claude-sonnet-5": ("2", "10", "2.5", "4", "0.20"),
    "claude-fable-5": ("10", "50", "12.5", "20", "1.00"),
    "claude-mythos-5": ("10", "50", "12.5", "20", "1.00"),
    "claude-sonnet-4-6": ("3", "15", "3.75", "6", "0.30"),
    "claude-opus-4-5": ("5", "25", "6.25", "10", "0.50"),
    "claude-haiku-4-5": ("1", "5", "1.25", "2", "0.10"),
    "claude-sonnet-4-5": ("3", "15", "3.75", "6", "0.30"),
    "claude-mythos-preview": ("10", "50", "12.5", "20", "1.00"),
}
MIN_CACHEABLE = {
    "claude-opus-4-8": 1024, "claude-opus-4-7": 2048, "claude-opus-4-6": 4096, "claude-sonnet-5": 1024,
    "claude-sonnet-4-6": 1024, "claude-opus-4-5": 4096, "claude-haiku-4-5": 4096, "claude-sonnet-4-5": 1024,
}  # fmt: skip


@pytest.mark.parametrize("name", PRICES)
def test_each_category_costs_what_the_price_page_says(name):
    kinds = ("input_tokens", "output_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "cache_read_tokens")
    tokens = 100_000  # below the long-prompt step
    costs = [BOOK.cost_usd(name, Usage(**{kind: tokens}), on=TODAY) * MILLION / tokens for kind in kinds]
    assert costs == [Decimal(price) for price in PRICES[name]]


def test_every_model_of_the_manifest_has_a_check_value():
    assert {BOOK.model(name).id for name in PRICES} == {model.id for model in BOOK.models}


@pytest.mark.parametrize("name", PRICES)
def test_minimum_cacheable_prompt_is_the_documented_one(name):
    assert BOOK.model(name).min_cacheable_tokens == MIN_CACHEABLE.get(name, 512)


def test_ids_and_aliases_are_the_22_names_of_the_sdk():
    from anthropic.types import model as sdk_model

    literal = sdk_model.Model.__args__[0]
    names = {name for model in BOOK.models for name in (model.id, *model.aliases)}
    assert names == set(literal.__args__)


def test_sonnet_55_reads_its_cache_at_half_price_since_7_october():
    million = Usage(cache_read_tokens=MILLION)
    assert BOOK.cost_usd("claude-sonnet-5-5", million, on=date(2026, 10, 6)) == Decimal("0.20")
    assert BOOK.cost_usd("claude-sonnet-5-5", million, on=date(2026, 10, 7)) == Decimal("0.10")


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        pytest.param(Usage(input_tokens=100_000), "0.0100", id="at the step"),
        pytest.param(Usage(input_tokens=100_001), "0.0500005", id="one above"),
        pytest.param(Usage(cache_read_tokens=100_000, input_tokens=1), "0.0050005", id="cached tokens count"),
        pytest.param(Usage(input_tokens=100_001, output_tokens=1000), "0.0525005", id="output too"),
        pytest.param(Usage(output_tokens=200_000), "0.1", id="output alone does not reach it"),
    ],
)
def test_haiku_55_charges_the_whole_request_fivefold_above_100k_prompt_tokens(usage, cost):
    assert BOOK.cost_usd("claude-haiku-5-5", usage, on=TODAY) == Decimal(cost)


@pytest.mark.parametrize(
    ("name", "terms", "cost"),
    [
        pytest.param("claude-opus-5-5", {"batch": True}, "2", id="batch halves"),
        pytest.param("claude-opus-5-5", {"fast": True}, "8", id="fast doubles"),
        pytest.param("claude-opus-5-5", {"us_inference": True}, "4.4", id="US inference adds a tenth"),
        pytest.param("claude-opus-5-5", {"batch": True, "us_inference": True}, "2.2", id="they stack"),
        pytest.param("claude-haiku-5-5", {"batch": True}, "0.25", id="batch halves the long prompt's price too"),
        pytest.param("claude-opus-4-5", {"us_inference": True}, "5", id="no premium before 4.6"),
    ],
)
def test_terms_change_the_price_of_a_million_input_tokens(name, terms, cost):
    assert BOOK.cost_usd(name, Usage(input_tokens=MILLION), on=TODAY, **terms) == Decimal(cost)


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        pytest.param("claude-sonnet-5-5", {"fast": True}, id="no fast mode"),
        pytest.param("claude-opus-5-5", {"fast": True, "batch": True}, id="no fast mode in a batch"),
        pytest.param("gpt-4", {}, id="unknown model"),
    ],
)
def test_what_has_no_price_has_no_guessed_price(name, terms):
    assert BOOK.cost_usd(name, Usage(input_tokens=1), on=TODAY, **terms) is None


def test_fast_mode_leaves_opus_48_on_30_november():
    usage = Usage(input_tokens=MILLION)
    assert BOOK.cost_usd("claude-opus-4-8", usage, on=date(2026, 11, 29), fast=True) == 10
    assert BOOK.cost_usd("claude-opus-4-8", usage, on=date(2026, 11, 30), fast=True) is None


def test_an_unknown_term_is_an_error():
    with pytest.raises(TypeError):
        BOOK.cost_usd("claude-opus-5-5", Usage(), on=TODAY, turbo=True)


counts = st.integers(0, 2_000_000)
usages = st.builds(Usage, counts, counts, counts, counts, counts)


@given(usage=usages, name=st.sampled_from(sorted(PRICES)), batch=st.booleans(), us=st.booleans())
def test_cost_is_exact(usage, name, batch, us):
    model = BOOK.model(name)
    is_long = model.long_prompt and usage.prompt_tokens > model.long_prompt.above_tokens
    prices = model.long_prompt.prices if is_long else model.prices[-1]
    owed = (
        usage.input_tokens * Fraction(prices.input)
        + usage.output_tokens * Fraction(prices.output)
        + usage.cache_write_5m_tokens * Fraction(prices.cache_write_5m)
        + usage.cache_write_1h_tokens * Fraction(prices.cache_write_1h)
        + usage.cache_read_tokens * Fraction(prices.cache_read)
    ) / MILLION
    owed *= Fraction(1, 2) if batch else 1
    owed *= Fraction(model.us_inference_multiplier or 1) if us else 1
    assert Fraction(BOOK.cost_usd(name, usage, on=TODAY, batch=batch, us_inference=us)) == owed


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        pytest.param("claude-haiku-4-5-20250514", "claude-haiku-5-5", id="never existed"),
        pytest.param("claude-sonnet-4-5-20250514", "claude-sonnet-5-5", id="never existed either"),
        pytest.param("claude-opus-4-7-20260416", "claude-opus-4-7", id="dated name of a pinned model"),
        pytest.param("claude-3-5-haiku-latest", "claude-haiku-5-5", id="retired: newest of its line"),
        pytest.param("claude-opus-5.5", "claude-opus-5-5", id="typing slip"),
        pytest.param("claude-opus-5-5", None, id="right"),
        pytest.param("something-else", None, id="no idea"),
    ],
)
def test_wrong_names_are_told_what_was_probably_meant(name, meant):
    assert BOOK.suggestion(name) == meant


def test_aliases_mean_their_dated_model_and_invented_dates_mean_nothing():
    assert BOOK.model("claude-haiku-4-5").id == "claude-haiku-4-5-20251001"
    assert BOOK.model("claude-opus-5-5-20260922") is None


def test_sonnet_45_answers_until_it_retires():
    model = BOOK.model("claude-sonnet-4-5")
    assert model.answers_on(date(2026, 11, 29))
    assert not model.answers_on(date(2026, 11, 30))
    assert not BOOK.model("claude-mythos-preview").answers_on(TODAY)


def test_capabilities_are_those_of_the_model_table():
    haiku, opus, old = (BOOK.model(name) for name in ("claude-haiku-5-5", "claude-opus-5-5", "claude-haiku-4-5"))
    assert (haiku.thinking.disabled, opus.thinking.disabled) == (Disabled.UP_TO_HIGH, Disabled.NO)
    assert (haiku.forced_tool_choice, opus.forced_tool_choice) == (True, False)
    assert (haiku.effort.default, old.effort) == ("medium", None)
    assert (old.sampling, opus.sampling) == (Sampling.ONE, Sampling.NONE)
    assert (old.prefill, opus.preserved_thinking) == (True, Preserved.NEW_ACCOUNTS)


@given(text=st.text(), more=st.text())
def test_a_longer_text_never_counts_fewer_tokens(text, more):
    assert estimate_tokens(text) <= estimate_tokens(text + more)


def test_the_manifest_is_found_in_the_folder_given_first(tmp_path):
    (tmp_path / "claude.toml").write_text("")
    assert find_claude_manifest(tmp_path) == tmp_path / "claude.toml"
    assert PriceBook.load(find_claude_manifest(tmp_path / "nowhere")).models == BOOK.models


def test_the_terms_a_call_was_served_under_are_priced_from_its_usage() -> None:
    counts = {"input_tokens": MILLION, "output_tokens": 0}
    plain = BOOK.cost_usd("claude-opus-5-5", Usage.of(counts), on=TODAY)
    assert plain is not None
    for terms, factor in (
        ({"service_tier": "batch"}, "0.5"),
        ({"speed": "fast"}, "2"),
        ({"inference_geo": "us"}, "1.1"),
    ):
        assert BOOK.cost_usd("claude-opus-5-5", Usage.of(counts | terms), on=TODAY) == plain * Decimal(factor)
