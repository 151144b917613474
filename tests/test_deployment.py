"""The example files for several machines say what this version understands. tests/replicas starts them."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner

from semcache.cli import main
from semcache.service.tuning import uvicorn_options
from semcache.settings import OTHER_VARIABLES, Settings, load_settings, variable_of
from semcache.stores.postgres.address import read_address

FOLDER = Path(str(files("semcache.deployment")))
FILES = sorted(path.name for path in FOLDER.iterdir() if path.suffix not in (".py", "") and path.is_file())


@pytest.mark.parametrize("name", FILES)
def test_every_variable_that_is_named_is_a_setting(name: str) -> None:
    named = set(re.findall(r"SEMCACHE_[A-Z_]+", (FOLDER / name).read_text("utf-8")))
    assert named <= {variable_of(each) for each in Settings.__dataclass_fields__} | OTHER_VARIABLES


@pytest.mark.parametrize("name", ["postgres.toml", "redis.toml"])
def test_the_settings_of_a_replica_are_read(name: str) -> None:
    settings = load_settings({}, config=FOLDER / name)
    assert (settings.host, settings.port, settings.workers) == ("0.0.0.0", 8080, 1)
    assert settings.store.startswith(name.removesuffix(".toml"))


def test_the_address_of_the_database_is_understood() -> None:
    read_address(load_settings({}, config=FOLDER / "postgres.toml").store)


def test_the_unit_starts_the_service_and_gives_it_time_to_stop() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.read(FOLDER / "semcache.service")
    service = dict(unit["Service"])
    assert shlex.split(service["execstart"])[1:] == ["serve"]
    assert float(service["timeoutstopsec"]) > uvicorn_options()["timeout_graceful_shutdown"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")
def test_systemd_knows_every_line_of_the_unit(tmp_path: Path) -> None:
    (tmp_path / "semcache").write_text("#!/bin/sh\n")
    (tmp_path / "semcache").chmod(0o755)
    unit = tmp_path / "semcache.service"
    unit.write_text((FOLDER / "semcache.service").read_text("utf-8").replace("/opt/semcache/bin", str(tmp_path)))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    about = [line for line in (done.stdout + done.stderr).splitlines() if "semcache.service" in line]
    assert about == [], done.stderr


def test_the_proxy_gives_up_after_the_service() -> None:
    (seconds,) = re.findall(r"proxy_read_timeout (\d+)s;", (FOLDER / "nginx.conf").read_text("utf-8"))
    assert float(seconds) > Settings().read_timeout_seconds


def test_the_command_line_prints_every_file() -> None:
    listed = CliRunner().invoke(main, ["deployment"]).output.split()
    assert sorted(listed) == FILES
    for name in FILES:
        assert CliRunner().invoke(main, ["deployment", name]).output == (FOLDER / name).read_text("utf-8")
