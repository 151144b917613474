"""`semcache quality`, here and of a running service, and feedback by the id of what was served."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

QUESTION, REWORDED = "How often should I water the ferns?", "How often should I water the ferns, please?"
ANSWER = {"SEMCACHE_AUDITS": "false"}


def test_with_nothing_served_it_says_that_nothing_is_proved(cli) -> None:
    shown = cli("quality").stdout
    assert "Nothing is proved: no similar hit was served so far." in shown
    assert "Budget: 1 % of requests may be answered wrongly" in shown
    assert cli.told("quality")["overall"]["since_start"]["upper_bound"] is None


def test_what_was_found_is_told_in_words_and_as_a_table(cli) -> None:
    cli("ask", QUESTION)
    cli("ask", REWORDED)  # the echo of the simulator says something else, so the audit finds a wrong hit
    view = cli.told("quality", "--namespace", "default")
    certificate = view["overall"]["since_start"]
    assert (certificate["similar_hits"], certificate["audits"], certificate["wrong"]) == (1, 1, 1)
    shown = cli("quality").stdout
    assert "1 audit (1 found wrong) of 1 similar hit" in shown
    assert "default" in shown


def test_another_namespace_knows_nothing(cli) -> None:
    cli("ask", QUESTION)
    assert cli.told("quality", "--namespace", "kitchen")["overall"]["requests"] == 0


def test_looking_at_quality_writes_nothing(cli) -> None:
    cli("ask", QUESTION)
    before = cli.told("quality")
    assert [cli.told("quality") for _ in range(2)] == [before] * 2


def test_shadow_mode_is_forecast(cli) -> None:
    for question in (QUESTION, QUESTION, REWORDED):
        cli("ask", question, "--mode", "shadow")
    forecast = cli.told("quality")["overall"]["shadow"]
    assert (forecast["requests"], forecast["exact"], forecast["similar"]) == (3, 1, 1)
    assert "Shadow mode saw 3 requests: going live would answer 66.7 % [" in cli("quality").stdout


@pytest.fixture
def told_elsewhere(cli) -> Iterator[str]:
    """A service that says what this state says, and only to who asks as it should; gives its URL."""
    view = json.dumps(cli.told("quality")).encode()

    class Service(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/semcache/v1/quality?namespace=a+b" and self.headers["x-semcache-admin-key"] == "key"
            body = view if known else b'{"error": {"type": "authentication_error", "message": "no"}}'
            self.send_response(200 if known else 401)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_running_service_is_asked_by_its_url(cli, told_elsewhere: str) -> None:
    words = ("quality", "--namespace", "a b", "--url", told_elsewhere)
    assert cli.told(*words, SEMCACHE_ADMIN_KEY="key")["overall"]["shadow"] is None
    assert "Nothing is proved" in cli(*words, SEMCACHE_ADMIN_KEY="key").stdout
    refused = cli(*words)
    assert (refused.exit_code, "authentication_error: no" in refused.stderr) == (1, True)


def test_a_state_and_a_url_are_not_both_given(cli) -> None:
    result = cli("quality", "--url", "http://127.0.0.1:1", "--data-dir", "x")
    assert result.exit_code == 2
    assert "--data-dir" in result.stderr


def test_a_wrong_answer_is_told_apart_and_what_else_it_concerns(cli) -> None:
    entry = cli.told("ask", QUESTION, **ANSWER)["stored"]
    said = cli.told("feedback", entry, "wrong", "--question", REWORDED)
    assert (said["entry"], said["effect"], said["affected"]["wordings"]) == (entry, "learned", [QUESTION])
    assert cli.told("lookup", REWORDED, code=1)["reason"] == "negative-exemplar"
    message = said["affected"]["recent_servings"][0]["message"]
    shown = cli("feedback", message, "wrong").stdout
    assert f"{entry}: noted as wrong; it is removed, and not remembered when it comes again" in shown
    assert cli.told("ask", QUESTION, **ANSWER)["outcome"] == "miss"
    assert cli.told("ask", QUESTION, **ANSWER)["outcome"] == "miss"  # the simulator says the same again
