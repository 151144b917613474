"""A text that varies from some place on is parted there: what stands before is cached, nothing is said otherwise."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import Clock
from hypothesis import given
from hypothesis import strategies as st

from semcache import SemanticCache, Settings
from semcache.exchange import Answer
from semcache.message import Message
from semcache.policy import STRATEGIES
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.request import Caller, Directives, Json, Request, Wish
from semcache.strategies.breakpoints.caching import Planned, PromptCaching
from semcache.strategies.breakpoints.memory import PrefixMemory
from semcache.strategies.breakpoints.parting import Parting, parted, safe_cut, texts_of
from semcache.strategies.breakpoints.prewarming import Prewarming
from semcache.strategies.breakpoints.seams import Seams
from semcache.strategies.consent import Consent
from semcache.upstream.simulator import Simulator
from semcache.upstream.simulator.answers import Reply
from semcache.upstream.simulator.marks import mark_problems

BOOK = PriceBook.load(find_claude_manifest(None))
SONNET = "claude-sonnet-5-5"
MARK = {"type": "ephemeral"}
LINES = "".join(f"Rule {n}: the ferry of line {n} leaves at nine and the harbour opens at six.\n" for n in range(60))
MORE = "".join(f"Note {n}: whoever has lost a ticket goes to the office at the end of the quay.\n" for n in range(20))

# where a text may be cut


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        pytest.param("One line.\nTwo lines.\n", "It is 9:15.\nMore.", id="at a line"),
        pytest.param("One sentence. And two.", " It is 9:15. More.", id="at a sentence"),
        pytest.param("Rules.\n", "```\nnow = 9:15\n```\nMore.", id="not within code"),
        pytest.param("Rules are rules. Be kind.\n", "<now>\n9:15\n</now>\nMore.", id="not within tags"),
        pytest.param("Rules are rules. Be kind.\n", '{\n"now": "9:15"\n}\nMore.', id="not within JSON"),
        pytest.param("They are open.", ' He said "Yes. It is 9:15." More.', id="not within a quotation"),
        pytest.param("They are open.", " (Today. It is 9:15.) More.", id="not within brackets"),
    ],
)
def test_a_text_is_cut_before_what_varies_where_something_begins(before: str, behind: str) -> None:
    head = LINES + before
    assert safe_cut(head + behind, len(head) + behind.index("9:15")) == len(head)


def test_where_all_is_one_element_it_is_cut_within() -> None:
    text = f"<instructions>\n{LINES}It is 9:15.\n</instructions>"
    assert safe_cut(text, text.index("9:15")) == text.index("It is")


def test_what_has_no_beginning_is_not_cut() -> None:
    assert safe_cut("word " * 500 + "9:15", 2_500) is None


@given(text=st.text(alphabet='ab .\n`"<>{}\ud83d\ude00\u00e9', max_size=300), alike=st.integers(0, 300))
def test_a_cut_never_stands_behind_what_is_alike_and_both_parts_say_something(text: str, alike: int) -> None:
    cut = safe_cut(text, min(alike, len(text)))
    if cut is not None:
        assert 0 < cut <= alike
        assert text[:cut].rstrip("\n") or text[:cut]
        assert text[cut:].strip()


# what is sent


def ask(question: Any = "When does it leave?", *, system: Any, credential: str = "one", **fields: Any) -> Request:
    body = {"model": SONNET, "max_tokens": 100, "system": system, "messages": [{"role": "user", "content": question}]}
    directives = Directives(strategies=fields.pop("wish", Wish()))
    return Request(body | fields, caller=Caller(credential=credential), directives=directives)


def at(minute: int) -> str:
    return f"{LINES}It is 9:{minute:02d} on the quay.\n{MORE}"


def caching(clock: Clock, *, strategies: tuple[str, ...] = STRATEGIES) -> PromptCaching:
    return PromptCaching(Consent(strategies, {}), PrefixMemory(), clock=clock)


def sent(known: PromptCaching, request: Request, *, thinks: bool = False) -> Planned:
    """Send it to a Claude who holds whatever he has been told to."""
    planned = known.planned_on(request, BOOK.model(request.model))
    held = max((planned.outlook.prefix.places[place].reach_tokens for place in planned.outlook.held), default=0)
    usage = {"input_tokens": 5, "cache_read_input_tokens": held, "cache_creation_input_tokens": 10}
    content = [{"type": "thinking", "thinking": "Hm.", "signature": "s"}] if thinks else []
    known.note(planned, Answer(Message({"usage": usage, "content": content}), lookup=None), known._clock())
    return planned


def warm(clock: Clock, **options: Any) -> PromptCaching:
    """It has seen the prompt at several times."""
    known = caching(clock, **options)
    for minute in range(6):
        sent(known, ask(f"Number {minute}?", system=at(minute)))
        clock.advance(20)
    return known


def texts(content: Any) -> list[str]:
    return [content] if isinstance(content, str) else [block["text"] for block in content]


def test_what_stands_before_a_clock_is_marked_and_read_by_all(clock: Clock) -> None:
    planned = sent(warm(clock), ask(system=at(30)))
    assert planned.request.body["system"] == [
        {"type": "text", "text": LINES, "cache_control": planned.request.body["system"][0]["cache_control"]},
        {"type": "text", "text": at(30).removeprefix(LINES)},
    ]
    assert list(planned.outlook.held) == [0]
    assert planned.parting == Parting("system", 0, None, len(LINES))
    assert f"the system prompt parted at character {len(LINES)}" in planned.placement.because


def talks(known: PromptCaching, clock: Clock, *, keeps_its_time: bool) -> list[str]:
    """The kinds of the marks of the last of some conversations, which tell the time of each request or their own."""
    marked: list[str] = []
    for talk in range(12):
        history: list[Json] = []
        for turn in range(4):
            question = {"role": "user", "content": f"Talk {talk}, turn {turn}. {MORE}"}
            minute = talk if keeps_its_time else 4 * talk + turn
            planned = sent(known, ask(system=at(minute), messages=[*history, question]))
            kinds = {each.place: each.kind for each in planned.outlook.candidates}
            marked = [*marked, *(kinds[mark.place] for mark in planned.placement.marks)] if talk == 11 else []
            history += [question, {"role": "assistant", "content": "At nine."}]
            clock.advance(20)
    return marked


def test_behind_a_clock_that_goes_on_there_is_no_mark(clock: Clock) -> None:
    assert set(talks(caching(clock), clock, keeps_its_time=False)) == {"seam"}


def test_behind_a_clock_that_a_conversation_repeats_there_are_marks(clock: Clock) -> None:
    assert {"seam", "later"} <= set(talks(caching(clock), clock, keeps_its_time=True))


def test_a_question_behind_a_long_text_in_one_string_is_parted_from_it(clock: Clock) -> None:
    known = caching(clock)
    for number in range(6):
        planned = sent(known, ask(f"{LINES}Now tell me: what of number {number}?", system="Be kind."))
        clock.advance(20)
    parts = planned.request.messages[0]["content"]
    assert [part["text"] for part in parts] == [LINES, "Now tell me: what of number 5?"]
    assert "cache_control" in parts[0]


def test_who_names_his_user_in_the_first_line_has_nothing_to_be_cached(clock: Clock) -> None:
    known = caching(clock)
    for number in range(6):
        request = ask(system=f"You talk to user {number}.\n{LINES}")
        assert sent(known, request).request is request
        clock.advance(20)


def test_two_applications_that_begin_alike_are_each_parted_at_their_own_place(clock: Clock) -> None:
    known = caching(clock)
    heads = [LINES + word * 300 for word in ("You sell tickets for us. ", "You find lost umbrellas. ")]
    for minute in range(12):
        for head in heads:
            planned = sent(known, ask(system=f"{head}\nIt is 9:{minute:02d}.\n{MORE}"))
            clock.advance(20)
    assert planned.request.body["system"][0]["text"] == heads[1] + "\n"


def test_a_seam_stays_where_it_is_though_two_texts_have_more_in_common(clock: Clock) -> None:
    known = warm(clock)
    for name in ("Ada", "Bob", "Eve"):  # within one minute, so that they are alike up to the name
        planned = sent(known, ask(system=f"{LINES}It is 9:40 on the quay.\nYou talk to {name}.\n{MORE}"))
        assert planned.request.body["system"][0]["text"] == LINES


def test_what_is_sent_again_as_it_was_is_not_parted(clock: Clock) -> None:
    known = caching(clock)
    for number in range(6):
        planned = sent(known, ask(f"Number {number}?", system=at(0)))
        clock.advance(20)
    assert texts(planned.request.body["system"]) == [at(0)]


def test_a_caller_is_not_told_by_the_prompts_of_another(clock: Clock) -> None:
    known = warm(clock)
    for planned in (sent(known, ask(system=at(n), credential="two")) for n in range(2)):
        assert planned.request.body["system"] == planned.came.body["system"]


@pytest.mark.parametrize(
    "wish", [Wish(without=frozenset({"prompt_caching"})), Wish(only=frozenset()), Wish(only=frozenset({"routing"}))]
)
def test_who_does_not_want_it_gets_his_own_request(clock: Clock, wish: Wish) -> None:
    request = ask(system=at(30), wish=wish)
    planned = warm(clock).planned_on(request, BOOK.model(SONNET))
    assert planned.unmarked is planned.came is request


@pytest.mark.parametrize("own", range(5))
def test_the_callers_marks_stay_and_four_are_the_most(clock: Clock, own: int) -> None:
    def system(minute: int) -> list[Json]:
        blocks = [at(minute), LINES, MORE * 3, LINES]
        return [{"type": "text", "text": text} | ({"cache_control": MARK} if n < own else {})
                for n, text in enumerate(blocks)]  # fmt: skip

    known = caching(clock)
    for minute in range(8):
        request = ask(system=system(minute))
        before = copy.deepcopy(request.body)
        planned = sent(known, request)
        assert request.body == before
        assert not list(mark_problems(planned.request.body))
        blocks = planned.request.body["system"]
        assert "".join(texts(blocks)) == "".join(texts(before["system"]))
        marked = [block["text"] for block in blocks if block.get("cache_control")]
        assert len(marked) <= 4
        assert len(marked) >= own
        clock.advance(20)
    assert (planned.parting is not None) == (own < 4)


def test_a_request_for_no_tokens_writes_what_stands_before_the_seam(clock: Clock) -> None:
    known = warm(clock)
    planned = Prewarming(known, BOOK, clock=clock)._planned(ask(system=at(50), max_tokens=0))
    assert planned is not None
    assert [block.get("cache_control") is not None for block in planned.request.body["system"]] == [True, False]


def test_what_is_held_is_known_for_the_text_as_it_comes(clock: Clock) -> None:
    known, model = warm(clock), BOOK.model(SONNET)
    assert known.held_tokens(ask(system=at(44)), model) > 1_000
    assert known.prospect(ask(system=at(44)), model) < known.prospect(ask(system=at(44)[::-1]), model)


@given(seed=st.integers(0, 10**6))
def test_whatever_is_parted_says_what_it_said(seed: int) -> None:
    chance = random.Random(seed)
    text = "".join(chance.choice(["It is. ", "so\n", "\n\n", '"a"', "```\n", "\u00e9\u00df "]) for _ in range(60))
    request = ask([{"type": "text", "text": text, "cache_control": MARK}, {"type": "text", "text": "?"}], system=text)
    before = copy.deepcopy(request.body)
    for section, outer, inner, whole in texts_of(request.body):
        cut = safe_cut(whole, chance.randint(0, len(whole)))
        if cut is not None:
            body = parted(request, Parting(section, outer, inner, cut), strategy="prompt_caching").body
            assert "".join(texts(body["system"])) == text
            assert "".join(texts(body["messages"][0]["content"])) == text + "?"
            assert "cache_control" in str(body["messages"])
    assert request.body == before


# what is kept


def test_seams_are_known_after_a_restart_without_a_word_of_the_prompt(clock: Clock) -> None:
    known, again = warm(clock), caching(clock)
    content = known.seams.to_bytes()
    assert b"ferry" not in content
    again.seams.restore(content)
    assert again.seams.to_bytes() == content
    assert again.seams.partings(ask(system=at(55))) == (Parting("system", 0, None, len(LINES)),)


@pytest.mark.parametrize("content", [b"", b"[]", b"[[1], []]", b'[[["a", [[1]]]], []]', b'{"a": 1, "b": 2}'])
def test_what_is_not_readable_is_refused(content: bytes) -> None:
    with pytest.raises((ValueError, TypeError)):
        Seams().restore(content)


def test_seams_of_one_family_are_few(clock: Clock) -> None:
    seams = Seams()
    for number in range(20):
        for end in ("One.", "Two."):
            seams.note(ask(system=LINES + f"Chapter {number}.\n" * (60 + 10 * number) + end + MORE))
    assert len(seams.partings(ask(system=LINES + MORE))) <= 2
    assert len(seams.to_bytes()) < 1_000


# thinking that is sent back is bound to the prompt that it was thought behind


def followed(request: Request, question: str = "And back?") -> Request:
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    turns = [{"role": "assistant", "content": [thought]}, {"role": "user", "content": question}]
    return Request({**request.body, "messages": [*request.messages, *turns]}, caller=request.caller)


def test_a_conversation_with_thinking_goes_on_in_the_form_in_which_it_was_begun(clock: Clock) -> None:
    known, model = caching(clock), BOOK.model(SONNET)
    whole = ask(system=at(0))
    assert sent(known, whole, thinks=True).parting is None
    for minute in range(1, 6):
        sent(known, ask(system=at(minute)))
    begun = ask(system=at(9))
    parting = sent(known, begun, thinks=True).parting
    assert parting is not None
    for minute in range(10, 14):
        sent(known, ask(system=at(minute)))
    assert known.planned_on(followed(whole), model).parting is None
    assert known.planned_on(followed(begun), model).parting == parting
    off = caching(clock, strategies=())
    off.seams.restore(known.seams.to_bytes())
    assert texts(off.as_begun(followed(begun)).body["system"]) == [LINES, at(9).removeprefix(LINES)]
    assert off.as_begun(followed(whole)).body["system"] == at(0)


@pytest.fixture
def opened(tmp_path: Path, clock: Clock) -> Iterator[Callable[[], SemanticCache]]:
    caches: list[SemanticCache] = []

    def opening() -> SemanticCache:
        simulator = Simulator(BOOK, answers=lambda body: Reply("At nine.", thinking="Let me see."), clock=clock)
        chosen = Settings(store="memory:", embedder="hashed", data_dir=tmp_path, audits=False)
        caches.append(SemanticCache(chosen, upstream=simulator, clock=clock))
        return caches[-1]

    yield opening
    for cache in caches:
        cache.close()


@pytest.mark.parametrize("is_forgotten", [False, True])
def test_no_caller_sees_a_refusal_of_his_thinking(
    opened: Callable[[], SemanticCache], clock: Clock, is_forgotten: bool
) -> None:
    cache = opened()
    parts, refused = cache.parts.upstream, 0
    for number in range(12):
        history: list[Json] = []
        for turn in range(3):
            question, system = f"Number {number}, and then {turn}?", at(number)
            message = cache.ask(question, model=SONNET, system=system, history=history, mode="off").message
            history += [{"role": "user", "content": question}, {"role": "assistant", "content": message.blocks}]
            clock.advance(20)
            if is_forgotten:
                cache.parts.assembly.miss_path.shaping.caching.seams._begun.clear()
    refused = sum(call.status != 200 for call in parts.calls)
    assert (refused > 0) == is_forgotten
    assert parts.calls[-1].usage.cache_read_tokens > 1_000
    assert any(len(texts(call.body["system"])) == 2 for call in parts.calls)
