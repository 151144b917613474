"""`semcache batch`: against a running service, and in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from batches.batch_worlds import PATH, TOPICS, item, items
from click.testing import CliRunner
from service.worlds import MODELS

from semcache.cli import main


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def command(*words, code=0, said=None, **variables):
        environment = {"ANTHROPIC_API_KEY": "key-of-anna", **variables}
        result = CliRunner().invoke(main, ["batch", *words], env=environment, input=said)
        assert result.exit_code == code, result.stderr
        return result

    return command


def write(name: str, lines: list) -> str:
    Path(name).write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return name


def test_submit_wait_and_fetch(run, world):
    file = write("asked.jsonl", items(5))
    batch_id = run("submit", file, "--url", world.url).stdout.strip()
    view = json.loads(run("status", batch_id, "--wait", "--url", world.url, "--json").stdout)
    assert (view["processing_status"], view["request_counts"]["succeeded"]) == ("ended", 5)
    run("results", batch_id, "-o", "out.jsonl", "--url", world.url)
    assert [json.loads(line)["custom_id"] for line in Path("out.jsonl").read_text().splitlines()] == [
        f"id-{n}" for n in range(5)
    ]
    assert run("results", batch_id, "--url", world.url).stdout == Path("out.jsonl").read_text()
    assert batch_id in run("list", "--url", world.url).stdout
    assert "has ended" in run("cancel", batch_id, "--url", world.url, code=1).stderr


def test_a_download_that_broke_off_is_continued(run, world):
    with world.client() as client:
        batch = client.messages.batches.create(requests=items(4))
    world.ended(batch.id)
    whole = world.http("GET", f"{PATH}/{batch.id}/results").text
    kept = whole.splitlines(keepends=True)
    Path(f"out.jsonl.{batch.id}.part").write_text(kept[0] + kept[1] + kept[2][:20])
    told = json.loads(run("results", batch.id, "-o", "out.jsonl", "--url", world.url, "--json").stdout)
    assert told["lines"] == 4
    assert Path("out.jsonl").read_text() == whole
    assert not list(Path().glob("*.part"))


def test_run_lets_a_service_do_it(run, world):
    result = run("run", write("asked.jsonl", items(3)), "--url", world.url)
    assert len(result.stdout.splitlines()) == 3
    assert "3 succeeded" in result.stderr


def test_requests_come_from_standard_input_too(run, world):
    lines = "".join(json.dumps(each) + "\n" for each in items(2))
    assert len(run("run", "-", "--url", world.url, said=lines).stdout.splitlines()) == 2
    assert "-: line 1: not valid JSON" in run("submit", "-", "--url", world.url, said="{", code=1).stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("prompts.csv", f"id,prompt,model\na,{TOPICS[2]},claude-haiku-5-5\nb,{TOPICS[3]},\n", id="csv"),
        pytest.param(
            "prompts.jsonl", f'"{TOPICS[2]}"\n\n{json.dumps({"prompt": TOPICS[3], "custom_id": "b"})}\n', id="jsonl"
        ),
    ],
)
def test_run_answers_a_file_of_prompts_in_this_process(run, world, name, text):
    Path(name).write_text(text)
    here = {"SEMCACHE_MODELS_DIR": str(MODELS), "SEMCACHE_EMBEDDER": "hashed", "SEMCACHE_UPSTREAM": world.upstream_url}
    view = json.loads(run("run", name, "-o", "out.jsonl", "--json", "--data-dir", "state", **here).stdout)
    assert view["request_counts"]["succeeded"] == 2
    lines = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [line["custom_id"] for line in lines][1] == "b"
    assert [TOPICS[2 + n] in json.dumps(line) for n, line in enumerate(lines)] == [True, True]
    again = json.loads(run("run", name, "--json", "-o", "out.jsonl", "--data-dir", "state", **here).stdout)
    assert again["request_counts"]["succeeded"] == 2
    assert len(world.sent()) == 2


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        pytest.param("a.jsonl", "{}\n", "line 1: expected", id="no prompt"),
        pytest.param("a.jsonl", '"x"\n{"a\n', "line 2: not valid JSON", id="no JSON"),
        pytest.param("a.jsonl", json.dumps(item("x")) + "\n" + json.dumps(item("x")), "occurs before", id="twice"),
        pytest.param("a.jsonl", json.dumps(item("a b")), "line 1: custom_id: String should match", id="custom id"),
        pytest.param("a.csv", 'prompt\nWhy?\n""\n', "line 3: expected", id="no prompt in a row"),
        pytest.param("a.csv", "a,b\n1,2\n", "no column named prompt", id="no column"),
        pytest.param("a.csv", "prompt,max_tokens\nWhy?,many\n", "max_tokens: expected", id="no number"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line_of_error(run, name, text, problem):
    Path(name).write_text(text)
    assert problem in run("submit", name, "--url", "http://127.0.0.1:9", code=1).stderr


def test_a_service_that_is_not_there_is_named(run):
    assert "nothing answers at http://127.0.0.1:9" in run("status", "x", "--url", "http://127.0.0.1:9", code=1).stderr


def test_an_import_asks_the_questions_without_an_answer_in_one_batch(world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = f"question,answer\n{TOPICS[0]},At less than 100 degrees.\n{TOPICS[2]},\n{TOPICS[3]},\n,lost\n"
    Path("faq.csv").write_text(rows)
    here = {
        "SEMCACHE_MODELS_DIR": str(MODELS), "SEMCACHE_EMBEDDER": "hashed", "SEMCACHE_UPSTREAM": world.upstream_url,
        "ANTHROPIC_API_KEY": "key-of-anna",
    }  # fmt: skip
    words = ["import", "faq.csv", "--data-dir", "state", "--json"]
    without = CliRunner().invoke(main, words, env=here)
    assert [error["line"] for error in json.loads(without.stdout)["faq.csv"]["errors"]] == [3, 4, 5]
    warmed = json.loads(CliRunner().invoke(main, [*words, "--warm"], env=here).stdout)["faq.csv"]
    assert (warmed["unchanged"], warmed["asked"], warmed["answered"]) == (1, 2, 2)
    assert [error["line"] for error in warmed["errors"]] == [5]
    assert len(world.sent()) == 2
    again = json.loads(CliRunner().invoke(main, [*words, "--warm"], env=here).stdout)["faq.csv"]
    assert (again["answered"], len(world.sent())) == (2, 2)
    asked = CliRunner().invoke(main, ["ask", TOPICS[2], "--data-dir", "state", "--json"], env=here)
    assert "exact" in asked.stdout
