"""Conversations in our own words, a memory, and an API client who sends back whatever came."""

from __future__ import annotations

from semcache.request import Request
from semcache.strategies.compression import NotCompressed, compressed
from semcache.upstream.simulator.thinking import Readers, account_of, signature_for

TOOLS = [{"name": "look_up", "input_schema": {"type": "object"}}]
PLACES = ("Lisbon", "Turin", "Ghent", "Malmo", "Graz", "Porto", "Bergen", "Leeds")


class Notebook(dict):
    """A memory."""

    def put(self, digest, text):
        self[digest] = text


def user(content):
    return {"role": "user", "content": content}


def assistant(content):
    return {"role": "assistant", "content": content}


def text(words, **fields):
    return {"type": "text", "text": words, **fields}


def call(id, query="timetable"):
    return {"type": "tool_use", "id": id, "name": "look_up", "input": {"query": query}}


def result(id, content, **fields):
    return {"type": "tool_result", "tool_use_id": id, "content": content, **fields}


def talk(exchanges):
    """A talk about a journey, with small talk between what matters."""
    messages = []
    for number in range(exchanges):
        place, hour = PLACES[number % len(PLACES)], 6 + number % 12
        messages += [
            user(f"Good to hear from you. I would like to stop in {place} on May {number + 1}. The weather was fine."),
            assistant(
                f"That is a lovely idea. Shall I book the {hour}:15 train to {place}? There is much to see there."
            ),
        ]
    return messages


def long_result(number):
    return f"Table {number}. " + " ".join(f"Row {number}-{row} departs at platform {row % 9}." for row in range(30))


def asking(messages, question="Which of them leaves first?", model="claude-sonnet-5-5", **fields):
    body = {"model": model, "max_tokens": 2000, "messages": [*messages, user(question)], **fields}
    return Request(body)


def texts_of(messages):
    """All text of these messages, in order."""
    found = []
    for message in messages:
        content = message["content"]
        blocks = [text(content)] if isinstance(content, str) else content
        found += [block["text"] for block in blocks if block["type"] == "text"]
    return "\n".join(found)


class Client:
    """Keeps the whole conversation, as answered with thinking that is bound to what was really sent."""

    def __init__(self, book, model, terms, *, tools=True):
        self.model = book.model(model)
        self.terms = terms
        self.fields = {"tools": TOOLS} if tools else {}
        self.messages = []
        self.readers = Readers(self.model, account_of("a key"))

    def request(self):
        return Request({"model": self.model.id, "max_tokens": 2000, "messages": list(self.messages), **self.fields})

    def send(self, means, moment):
        """What goes upstream for the conversation as it is."""
        outcome = compressed(self.request(), terms=self.terms, model=self.model, means=means, moment=moment)
        if means.memory is not None:
            outcome.remember(means.memory)
        return outcome

    def answer(self, outcome, blocks, *, thinks=True):
        """The assistant's turn, signed for what was sent."""
        signature = signature_for(outcome.request.body, self.readers)
        thought = {"type": "thinking", "thinking": "Let me see.", "signature": signature}
        self.messages.append(assistant([*([thought] if thinks else []), *blocks]))


def sent_messages(outcome):
    return outcome.request.messages


def is_compressed(outcome):
    return not isinstance(outcome, NotCompressed)
