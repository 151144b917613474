"""The command line on a PostgreSQL store."""

from __future__ import annotations

import postgres_server
from test_cli_doctor import findings


def store_of(cli) -> dict[str, str]:
    return {each["level"]: each["finding"] for each in findings(cli)["store"]}


def test_the_doctor_examines_the_server(cli, postgres_url: str) -> None:
    cli.variables["SEMCACHE_STORE"] = postgres_url
    cli("ask", "How do I repot a fern?")
    said = " | ".join(each["finding"] for each in findings(cli)["store"])
    for part in ("version 1", "pgvector 0.8", "schema p0", "1 entries", "ms there and back", "its clock is 0."):
        assert part in said


def test_the_doctor_says_when_indexes_are_missing_and_maintain_builds_them(cli, postgres_url: str) -> None:
    cli.variables["SEMCACHE_STORE"] = f"{postgres_url}&semcache_vector_index=hnsw"
    assert "16 vector indexes are missing" in store_of(cli)["warn"]
    assert [each["what"] for each in cli.told("store", "maintain")].count("built") == 16
    assert all("missing" not in each["finding"] for each in findings(cli)["store"])


def test_the_doctor_says_that_a_server_is_away_without_its_password(cli) -> None:
    port = postgres_server.free_port()
    cli.variables["SEMCACHE_STORE"] = f"postgresql://me:hunter2@127.0.0.1:{port}/shop"
    (finding,) = findings(cli, code=1)["store"]
    assert finding["level"] == "fail"
    assert "no connection" in finding["finding"]
    assert "hunter2" not in str(finding)


def test_a_store_that_looks_after_itself_needs_no_upkeep(cli) -> None:
    refused = cli("store", "maintain")
    assert refused.exit_code == 1
    assert "looks after itself" in refused.stderr
