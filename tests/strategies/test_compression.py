"""What compression keeps, what it leaves out, and when it leaves a conversation alone."""

from __future__ import annotations

from decimal import Decimal

import pytest
from compression_talks import (
    TOOLS,
    Notebook,
    asking,
    assistant,
    call,
    long_result,
    result,
    sent_messages,
    talk,
    text,
    texts_of,
    user,
)

from semcache.embedders.hashed import HashedEmbedder
from semcache.errors import EmbedderError, SettingsError
from semcache.strategies.compression import (
    Compression,
    Means,
    Moment,
    NotCompressed,
    Share,
    Terms,
    Tokens,
    asks_about_everything,
    break_even_turns,
    compressed,
    pays,
    restored,
    uncompressed,
)

TERMS = Terms(budget=Share(0.4), recent_turns=2, block_turns=4)
PLAIN = "claude-opus-4-6"  # its thinking is not bound to what stands before it


@pytest.fixture
def squeeze(book):
    def do(messages, question="Which of them leaves first?", *, terms=TERMS, model=PLAIN, **more):
        fields = {name: more.pop(name) for name in ("tools", "system", "thread", "context_management") if name in more}
        request = asking(messages, question, model=model, **fields)
        return compressed(request, terms=terms, model=book.model(model), **more)

    return do


def test_recent_turns_and_the_system_prompt_stay_word_for_word(squeeze):
    messages = talk(6)
    outcome = squeeze(messages, system="Be brief. Be kind.")
    assert sent_messages(outcome)[-5:] == [*messages[-4:], user("Which of them leaves first?")]
    assert outcome.request.body["system"] == "Be brief. Be kind."


def test_small_talk_goes_and_facts_stay_within_the_budget(squeeze):
    messages = talk(6)
    kept = texts_of(sent_messages(squeeze(messages))[:-5])
    assert len(kept) <= 0.4 * len(texts_of(messages[:8])) + 8
    assert "Malmo" in kept
    assert "lovely idea" not in kept
    assert "[…]" in kept


@pytest.mark.parametrize(
    "sentence",
    [
        "Never book an overnight bus.",
        "All prices must be in euros.",
        "I prefer a seat by the window.",
        "From now on answer in French.",
        "My budget is tight.",
        "Please do not share my address.",
        "Remind me to pack the charger.",
    ],
)
def test_standing_instructions_and_open_points_survive_any_budget(squeeze, sentence):
    messages = talk(6)
    messages[0] = user(f"Hello there. {sentence} It was a quiet evening.")
    outcome = squeeze(messages, terms=Terms(budget=Share(0.0), recent_turns=2, block_turns=4))
    assert sentence in texts_of(sent_messages(outcome))
    assert "quiet evening" not in texts_of(sent_messages(outcome))


@pytest.mark.parametrize("whole", ["```python\nfare = 12\n\nprint(fare)\n```", '{"fare": 12,\n "class": [1, 2]}'])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.8])
def test_code_and_json_are_kept_whole_or_not_at_all(squeeze, whole, share):
    messages = talk(6)
    messages[3] = assistant(f"Here it is.\n{whole}\nIt was easy to write.")
    kept = texts_of(sent_messages(squeeze(messages, terms=Terms(budget=Share(share), block_turns=4))))
    assert whole in kept or not any(line in kept for line in whole.splitlines() if len(line) > 3)


def test_code_that_defines_what_is_used_later_is_kept(squeeze):
    messages = talk(6)
    code = "```python\ndef fare_of(place):\n    return 12\n```"
    messages[1] = assistant(f"Sure.\n{code}")
    messages[8] = user("Please call `fare_of` for Graz.")
    terms = Terms(budget=Share(0.05), recent_turns=2, block_turns=4)
    assert code in texts_of(sent_messages(squeeze(messages, terms=terms)))


def test_what_a_pronoun_behind_the_block_stands_for_is_kept(squeeze):
    messages = talk(6)
    messages[6] = user("Tell me about the night ferry to Oslo.")
    messages[7] = assistant("Gladly, with pleasure.")
    messages[8] = user("Is it expensive?")
    terms = Terms(budget=Share(0.12), recent_turns=2, block_turns=4)
    assert "ferry to Oslo" in texts_of(sent_messages(squeeze(messages, terms=terms))[:-5])


def test_an_embedder_decides_by_meaning_and_always_alike(squeeze):
    means = Means(embed=HashedEmbedder().embed)
    assert sent_messages(squeeze(talk(7), means=means)) == sent_messages(squeeze(talk(7), means=means))


def test_a_token_budget_is_counted_by_the_models_own_tokenizer(squeeze):
    terms = Terms(budget=Tokens(60), block_turns=4)
    sizes = {m: len(texts_of(sent_messages(squeeze(talk(7), terms=terms, model=m)))) for m in (PLAIN, "claude-opus-5")}
    assert sizes["claude-opus-5"] < sizes[PLAIN]


def test_marks_in_shortened_turns_move_to_the_end_of_their_block(squeeze, refusal):
    messages = talk(6)
    messages[2] = user([text("Hello again. Nothing to say here.", cache_control={"type": "ephemeral", "ttl": "1h"})])
    outcome = squeeze(messages)
    marked = [m["content"][-1] for m in sent_messages(outcome) if "cache_control" in str(m["content"])]
    assert [block["cache_control"] for block in marked] == [{"type": "ephemeral", "ttl": "1h"}]
    assert marked[0] == sent_messages(outcome)[outcome.frozen_messages - 1]["content"][-1]
    assert refusal(outcome.request) is None


@pytest.mark.parametrize(
    ("messages", "more", "reason"),
    [
        pytest.param(talk(3), {}, "nothing is old enough", id="short"),
        pytest.param(talk(8), {"question": "Summarise our conversation."}, "asks about everything", id="everything"),
        pytest.param(talk(8), {"thread": {"type": "create"}}, "Claude manages", id="thread"),
        pytest.param(
            talk(8), {"context_management": {"edits": [{"type": "clear_tool_uses"}]}}, "Claude manages", id="edits"
        ),
        pytest.param(talk(8), {"terms": Terms(Share(1.0), block_turns=4)}, "nothing to leave out", id="all fits"),
        pytest.param(talk(8), {"model": "claude-sonnet-5-5", "tools": TOOLS}, "needs a memory", id="no memory"),
    ],
)  # fmt: skip
def test_a_request_is_left_alone_with_a_reason(squeeze, messages, more, reason):
    outcome = squeeze(messages, **more)
    assert isinstance(outcome, NotCompressed)
    assert reason in outcome.reason
    assert outcome.request.shaped_by == ()


def test_clearing_thinking_by_claude_is_no_reason_to_stay_away(squeeze):
    outcome = squeeze(talk(8), context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]})
    assert isinstance(outcome, Compression)


def test_a_failing_embedder_leaves_the_request_alone(squeeze):
    def broken(text):
        raise EmbedderError("no model")

    assert isinstance(squeeze(talk(8), means=Means(embed=broken)), NotCompressed)


def test_what_was_frozen_is_sent_even_where_the_embedder_has_failed_since(book):
    memory, model, works = Notebook(), book.model(PLAIN), HashedEmbedder().embed
    first = compressed(asking(talk(6)), terms=TERMS, model=model, means=Means(embed=works, memory=memory))
    first.remember(memory)

    def broken(text):
        raise EmbedderError("no model")

    later = compressed(asking(talk(10)), terms=TERMS, model=model, means=Means(embed=broken, memory=memory))
    assert later.blocks == 1
    assert sent_messages(later)[: first.frozen_messages] == sent_messages(first)[: first.frozen_messages]


def test_thinking_of_earlier_turns_goes_when_what_stands_before_it_changes(squeeze, refusal):
    messages = talk(6)
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "bm90IG91cnM="}
    messages[9] = assistant([thought, text("By train.")])
    messages[11] = assistant([{"type": "redacted_thinking", "data": "x"}])
    outcome = squeeze(messages, model="claude-sonnet-5-5")
    assert "thinking" not in str(sent_messages(outcome))
    assert refusal(outcome.request) is None
    assert restored(outcome).messages[:-1] == messages


def test_thinking_made_behind_a_compressed_prefix_goes_when_compression_is_switched_off(book):
    model, memory = book.model("claude-sonnet-5-5"), Notebook()
    means = Means(memory=memory)
    compressed(asking(talk(6)), terms=TERMS, model=model, means=means).remember(memory)
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "bm90IG91cnM="}
    later = asking([*talk(6), user("Which of them leaves first?"), assistant([thought, text("The first.")])], "Thanks.")
    outcome = uncompressed(later, terms=TERMS, model=model, means=means, reason="switched off")
    assert "thinking" not in str(outcome.request.messages)
    assert texts_of(outcome.request.messages) == texts_of(later.messages)


def test_callers_never_share_what_was_frozen(book):
    memory = Notebook()
    model = book.model(PLAIN)
    for system in ("One.", "Two."):
        compressed(asking(talk(6), system=system), terms=TERMS, model=model, means=Means(memory=memory)).remember(
            memory
        )
    assert len(memory) == 2


def test_sizes_tell_a_first_cut_from_one_that_was_made_before(book):
    memory, model = Notebook(), book.model(PLAIN)
    first = compressed(asking(talk(6)), terms=TERMS, model=model, means=Means(memory=memory))
    first.remember(memory)
    again = compressed(asking(talk(7)), terms=TERMS, model=model, means=Means(memory=memory), moment=Moment.WARM)
    assert first.sizes.cut_now_tokens == first.sizes.cut_tokens > 0 < first.sizes.rewritten_tokens
    assert (again.sizes.cut_now_tokens, again.sizes.rewritten_tokens) == (0, 0)
    assert again.sizes.cut_tokens == first.sizes.cut_tokens


def test_only_the_last_tool_results_are_sent_in_full(squeeze):
    loop = [user("Find the best line.")]
    for number in range(8):
        loop += [assistant([call(f"t{number}", f"line {number}")]), user([result(f"t{number}", long_result(number))])]
    outcome = squeeze([*loop, assistant("Line 3.")], tools=TOOLS, terms=Terms(results_kept=2, results_group=3))
    sent = [message["content"][0] for message in sent_messages(outcome) if "tool_result" in str(message["content"])]
    assert [block["tool_use_id"] for block in sent] == [f"t{number}" for number in range(8)]
    assert [block["content"] == long_result(number) for number, block in enumerate(sent)] == [False] * 6 + [True] * 2
    stub = sent[0]["content"][0]["text"]
    handle = stub.rstrip("]").split(" · ")[2]
    assert 'look_up({"query":"line 0"})' in stub
    assert f"{len(long_result(0))} bytes" in stub
    assert outcome.recover[handle] == long_result(0)


def test_repeated_tool_results_are_told_as_such(squeeze):
    contents = [long_result(1), long_result(1), long_result(1) + " Page 2.", long_result(5)]
    loop = [user("Find the best line.")]
    for number, content in enumerate(contents):
        loop += [assistant([call(f"t{number}")]), user([result(f"t{number}", content, is_error=number == 3)])]
    outcome = squeeze([*loop, assistant("Done.")], tools=TOOLS, terms=Terms(results_kept=0, results_group=4))
    stubs = texts_of([{"content": b["content"]} for m in sent_messages(outcome) for b in m["content"]
                      if isinstance(b, dict) and b["type"] == "tool_result"]).splitlines()  # fmt: skip
    assert "same" not in stubs[0]
    assert stubs[1].endswith("the same as before]")
    assert "nearly the same as" in stubs[2]
    assert " · error · " in stubs[3]


@pytest.mark.parametrize("content", ["ok", [{"type": "tool_reference", "tool_name": "look_up"}], [], None])
def test_short_results_and_those_that_act_on_later_turns_stay(squeeze, content):
    block = {"type": "tool_result", "tool_use_id": "t0"} | ({"content": content} if content is not None else {})
    loop = [user("Find the best line."), assistant([call("t0")]), user([block]), assistant("Done.")]
    outcome = squeeze(loop, tools=TOOLS, terms=Terms(results_kept=0, results_group=1))
    assert outcome.request.messages[2] == user([block])


EVERYTHING = ["Summarise our conversation.", "What did I say first?", "Can you summarize everything so far?",
    "Give me a recap of what we discussed", "List all my questions so far.", "What have we decided so far?",
    "Translate the whole conversation into Dutch.", "tl;dr", "What was my first question?"]  # fmt: skip
SOMETHING = ["Summarise this article: trains are late.", "What did Ada Lovelace say first?", "All is fine.",
    "What is the first train?", "How do I write a conversation starter?", "Repeat the last step."]  # fmt: skip


@pytest.mark.parametrize("question", EVERYTHING)
def test_questions_about_everything_are_heard(question):
    assert asks_about_everything(question)


@pytest.mark.parametrize("question", SOMETHING)
def test_other_questions_are_not_about_everything(question):
    assert not asks_about_everything(question)


def test_a_cut_in_a_warm_prefix_pays_after_eleven_and_a_half_rewrites(book):
    prices = book.model(PLAIN).prices_on(__import__("datetime").date(2026, 11, 23))
    assert break_even_turns(1000, 1000, prices) == Decimal("11.5")
    assert pays(1000, 1000, remaining_turns=12, prices=prices, is_cold=False) > 0
    assert pays(1000, 1000, remaining_turns=11, prices=prices, is_cold=False) < 0
    assert pays(1000, 9000, remaining_turns=0, prices=prices, is_cold=True) == 1000 * prices.cache_write_5m / 10**6
    assert break_even_turns(0, 1000, prices) is None


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Share(1.5), lambda: Tokens(-1), lambda: Terms(recent_turns=1), lambda: Terms(block_turns=0),
        lambda: Terms(results_kept=-1),
    ],
)  # fmt: skip
def test_terms_that_make_no_sense_are_refused(wrong):
    with pytest.raises(SettingsError):
        wrong()
