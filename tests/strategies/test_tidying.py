"""Tidying: what is left out says nothing, what must stay stays, and a turn comes out the same every time."""

from __future__ import annotations

import pytest
from fakes import body
from hypothesis import example, given
from hypothesis import strategies as st

from semcache.request import Request
from semcache.strategies.consent import Consent
from semcache.strategies.tidying import STRATEGY, Tidying, tidy
from semcache.strategies.untouchable import untouchable_lines

LONG = "Every answer names the line, the platform and the time, and says so where one of them is not known. " * 3
OTHER = "Tickets are returned within thirty days against the receipt, and in the currency they were paid in. " * 3

_MARKUP = [
    "```\n",
    "~~~\n",
    "| a | b |\n",
    '"',
    "\u201c",
    "'",
    "> said\n",
    "{\n",
    "}\n",
    "[",
    "]",
    "<note>",
    "</note>",
    "<br>",
]
_CODE = ["    x = 1\n", "\tcell", "<!--", "-->", "def f(x):\n", "return x;\n", "`code"]
_SPACE = [" ", "  ", "   ", "\n", "\n\n", "\n\n\n\n"]
_PROSE = [
    "word",
    "two words",
    "it's",
    "# Heading\n",
    "Note:",
    f"\n\n{LONG}\n\n",
    f"\n\n{OTHER}\n\n",
    "\u00e9\u4e2d",
    "- item\n",
]
PIECES = st.sampled_from([*_MARKUP, *_CODE, *_SPACE, *_PROSE])
TEXTS = st.lists(PIECES, max_size=25).map("".join)


@pytest.fixture
def tidying(book):
    return Tidying(Consent((STRATEGY,), {}), book)


def sent(tidying, **fields):
    return tidying.tidied(Request({**body(), **fields}))


@pytest.mark.parametrize(
    ("text", "tidied"),
    [
        pytest.param("One.\n\n\n\nTwo.", "One.\n\nTwo.", id="blank lines"),
        pytest.param("One.\n \n  \nTwo.", "One.\n\nTwo.", id="blank lines of spaces"),
        pytest.param("One. \nTwo. ", "One.\nTwo.", id="a space at the end of a line"),
        pytest.param("One.  \nTwo.", "One.  \nTwo.", id="a Markdown line break"),
        pytest.param("One.     \nTwo.", "One.  \nTwo.", id="a Markdown line break of five spaces"),
        pytest.param("One.\n\n\n\n", "One.\n\n", id="the end"),
        pytest.param("A\n\n\n- one \n- two \n\n\nB", "A\n\n- one\n- two\n\nB", id="a list"),
    ],
)
def test_what_says_nothing_is_left_out(text: str, tidied: str) -> None:
    assert tidy(text) == tidied


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("```\na \n\n\n\nb\n```", id="fenced code"),
        pytest.param("~~~\na \n\n\nb", id="fenced code without an end"),
        pytest.param("See:\n\n    a = 1 \n\n\n    b = 2", id="indented code"),
        pytest.param("def one():\n    pass\n\n\ndef two():\n    pass", id="code that nobody fenced"),
        pytest.param("import os\n\n\nimport sys\n\n\nprint(os, sys)", id="imports"),
        pytest.param("> said \n> again ", id="a quotation"),
        pytest.param('He wrote: "first \n\n\nlast" and left.', id="quotation marks"),
        pytest.param("\u201cfirst \n\n\nlast\u201d", id="typographic quotation marks"),
        pytest.param("'''first \n\n\nlast'''", id="triple quotes"),
        pytest.param('{"a": 1, \n\n\n"b": 2}', id="JSON"),
        pytest.param('Reply so: {\n"a": <text>, \n\n\n"b": ...\n}', id="JSON with blanks to fill"),
        pytest.param("<example>\nfirst \n\n\nlast\n</example>", id="an element"),
        pytest.param('<doc\n id="1">\nfirst \n\n\nlast\n</doc>', id="an element with a long tag"),
        pytest.param("<!-- first \n\n\nlast -->", id="a comment"),
        pytest.param("| a | b | \n|---|---|\n| 1 |   | ", id="a table"),
        pytest.param("a\tb\t\n1\t\t", id="tab-separated values"),
        pytest.param("One.\r\n\r\n\r\n\r\nTwo. \r\n", id="another kind of line ends"),
        pytest.param("  \n \n\n", id="nothing but white space"),
    ],
)
def test_what_must_stay_stays_to_the_letter(text: str) -> None:
    assert tidy(text) == text


@given(TEXTS)
@example('a \n\n\n```\nx \n```\n\n\nb "c\n\n\nd" \n')
def test_what_is_tidy_stays_as_it_is(text: str) -> None:
    assert tidy(tidy(text)) == tidy(text)


@given(TEXTS)
def test_every_word_stays_in_its_place(text: str) -> None:
    assert tidy(text).split() == text.split()


@given(TEXTS)
def test_lines_that_must_stay_stay(text: str) -> None:
    lines = text.split("\n")
    kept = [line for line, kind in zip(lines, untouchable_lines(lines), strict=True) if kind and line.strip()]
    after = tidy(text).split("\n")
    assert [line for line, kind in zip(after, untouchable_lines(after), strict=True) if kind and line.strip()] == kept


@given(system=st.lists(TEXTS, min_size=1, max_size=4), turns=st.lists(TEXTS, min_size=1, max_size=5), tail=TEXTS)
def test_a_prefix_comes_out_the_same_in_every_later_request(book, system, turns, tail) -> None:
    tidying = Tidying(Consent((STRATEGY,), {}), book)
    blocks = [{"type": "text", "text": text} for text in system]
    messages = [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(turns)]
    first = sent(tidying, system=blocks, messages=messages).body
    then = sent(tidying, system=blocks, messages=[*messages, {"role": "user", "content": tail}]).body
    assert then["system"] == first["system"]
    assert then["messages"][:-1] == first["messages"]
    assert sent(tidying, **{name: first[name] for name in ("system", "messages")}).body["system"] == first["system"]


def test_a_paragraph_that_the_system_prompt_repeats_is_said_once(tidying) -> None:
    request = sent(tidying, system=f"You help.\n\n{LONG}\n\nBe brief.\n\n{LONG}\n\nBe kind.")
    assert request.body["system"] == f"You help.\n\n{LONG.rstrip()}\n\nBe brief.\n\nBe kind."
    assert request.shaped_by == (STRATEGY,)
    assert request.cut_tokens > 70


@pytest.mark.parametrize(
    "system",
    [
        pytest.param("Be brief.\n\nBe kind.\n\nBe brief.", id="short ones"),
        pytest.param(f"# Trains\n\n{LONG.strip()}\n\n# Buses\n\n{LONG.strip()}", id="under another heading"),
        pytest.param(f"{LONG.strip()}\n\nAnd of what is asked in French:\n\n{LONG.strip()}", id="after a colon"),
        pytest.param(f"{LONG.strip()}\n\n<rule>\n\n{LONG.strip()}\n\n</rule>", id="in an element"),
    ],
)
def test_repetitions_that_may_be_meant_stay(tidying, system: str) -> None:
    assert sent(tidying, system=system).body["system"] == system


def test_a_repeated_block_goes_and_a_marked_one_stays(tidying) -> None:
    plain, marked = (
        {"type": "text", "text": LONG},
        {"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}},
    )
    blocks = sent(tidying, system=[plain, plain, marked]).body["system"]
    assert [("cache_control" in block, bool(block["text"].strip())) for block in blocks] == [
        (False, True),
        (True, True),
    ]


def test_only_what_the_user_and_the_operator_say_is_touched(tidying) -> None:
    untidy = "One. \n\n\n\nTwo."
    messages = [
        {"role": "user", "content": untidy},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": untidy, "signature": "s"},
                                          {"type": "tool_use", "id": "t", "name": "n", "input": {"text": untidy}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": untidy},
                                     {"type": "document", "source": {"type": "text", "data": untidy}},
                                     {"type": "text", "text": untidy}]},
    ]  # fmt: skip
    after = sent(tidying, messages=messages).body["messages"]
    assert after[0]["content"] == "One.\n\nTwo."
    assert after[1] == messages[1]
    assert after[2]["content"][:2] == messages[2]["content"][:2]
    assert after[2]["content"][2]["text"] == "One.\n\nTwo."


def test_who_speaks_of_white_space_means_it(tidying) -> None:
    asked = "How many blank lines are there?\n\n\n\nHere."
    assert sent(tidying, messages=[{"role": "user", "content": asked}]).body["messages"][0]["content"] == asked


def test_a_tidy_request_goes_as_it_came(tidying) -> None:
    request = Request.parse(b'{"model": "claude-haiku-5-5", "max_tokens": 5, "messages": []}')
    assert tidying.tidied(request) is request


def test_it_can_be_switched_off(book) -> None:
    request = Request(body("One. \n\n\n\nTwo."))
    assert Tidying(Consent((), {}), book).tidied(request) is request


def test_what_is_tidied_is_valid(tidying, refusal) -> None:
    request = Request(body(f"Hello \n\n\n\nthere {LONG}", system=[{"type": "text", "text": "   \n\n\n\n x "}] * 3),
                      headers=(("anthropic-version", "2026-10-21"),))  # fmt: skip
    assert refusal(tidying.tidied(request)) is None
