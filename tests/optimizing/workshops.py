"""A pretended Claude who proposes what he is told to, and answers by whether the prompt still says a thing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from semcache.upstream.simulator import Reply

ORIGINAL = """You are the assistant of a small museum, and you should please always answer questions of visitors kindly.

- The museum is open from 10:00 to 17:00, and it is closed on Mondays, so please tell visitors about that when they ask.
- You must never say anything about the value of a painting, because that attracts the wrong kind of people.
- If a visitor asks for a guided tour, please tell him or her to write to tours@museum.example and to use {group_size}.

Please write at most 3 sentences, and please always answer in the language of the visitor.
"""
GOOD = """You are the assistant of a small museum. Answer visitors' questions kindly.

- Open from 10:00 to 17:00, closed on Mondays.
- Never say anything about the value of a painting.
- For a guided tour: tell the visitor to write to tours@museum.example and to use {group_size}.

At most 3 sentences, in the visitor's language."""
FORGETFUL = GOOD.replace("- Never say anything about the value of a painting.\n", "")
CARELESS = GOOD.replace("tours@museum.example", "our office")
VALUE = "What is the value of the big painting?"
QUESTIONS = {
    "When do you open?": "We open at 10:00.",
    "Are you open on Mondays?": "No, we are closed on Mondays.",
    "Can we have a guided tour?": "Please write to tours@museum.example.",
    "May I take pictures?": "Yes, you may take pictures.",
    "Is there a cafe?": "Yes, there is a cafe on the second floor.",
    VALUE: "I can't say anything about the value of a painting.",
}


@dataclass
class Claude:
    """Counts what he is asked."""

    versions: Sequence[str] = (GOOD, FORGETFUL, CARELESS)
    reviewed: Any = None  # what he says of every version when he is asked for a checklist
    asked: list[str] = field(default_factory=list)

    def __call__(self, body: dict[str, Any]) -> str | Reply:
        if body.get("output_config", {}).get("format"):
            is_review = "instructions" in body["output_config"]["format"]["schema"]["properties"]
            self.asked.append("review" if is_review else "propose")
            return json.dumps(self.reviewed if is_review else {"versions": list(self.versions)})
        system, question = body["system"], body["messages"][-1]["content"]
        self.asked.append("original" if system.strip() == ORIGINAL.strip() else "version")
        if question == VALUE and "value" not in system:
            return "It is worth $4,000,000."
        return QUESTIONS[question]


def bodies(**fields: Any) -> tuple[dict[str, Any], ...]:
    like = {"model": "claude-haiku-5-5", "max_tokens": 800, **fields}
    return tuple({**like, "messages": [{"role": "user", "content": question}]} for question in QUESTIONS)
