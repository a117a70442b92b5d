"""The password of the database is nowhere but in the configuration."""

import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import yaml

from realbogus.config import write_config
from tests.helpers import ROOT
from tests.mariadb.server import NIGHTS, PASSWORD, SECRET
from tests.warm import run_warm

SCRIPT = ROOT / "getATLASTrainingSetCutouts.py"
PIPELINE = ROOT / "atlasClassificationPipeline.py"


def in_key(local, folder):
    return local


def in_environment(local, folder):
    words = {key: value for key, value in local.items() if key != "password"}
    return {**words, "password_env": "ATLAS_PASSWORD"}


def in_option_file(local, folder):
    (folder / "my.cnf").write_text(f"[client]\npassword={local['password']}\n")
    words = {key: value for key, value in local.items() if key != "password"}
    return {**words, "option_file": "my.cnf"}


def in_url(local, folder):
    server = f"{local['hostname']}:{local['port']}/{local['database']}"
    secret = local["password"].replace("&", "%26")
    return {"url": f"mysql+pymysql://{local['username']}:{secret}@{server}"}


PLACES = {"key": in_key, "environment": in_environment, "option file": in_option_file}
PLACES["url"] = in_url


@pytest.fixture(params=PLACES)
def config(request, atlas, tmp_path, monkeypatch):
    """Copy the configuration of an account with a password, kept in one of these places."""
    monkeypatch.setenv("ATLAS_PASSWORD", PASSWORD)
    content = yaml.safe_load(atlas.read_text())
    local = PLACES[request.param](content["databases"]["local"], tmp_path)
    path = tmp_path / "config.yaml"
    write_config(path, {**content, "databases": {"local": local}})
    (tmp_path / "diff").symlink_to(atlas.parent / "diff")
    return path


@pytest.fixture
def wrong(config, monkeypatch):
    """Give a configuration whose password the server refuses."""
    for path in (config, config.parent / "my.cnf"):
        if path.exists():
            path.write_text(path.read_text().replace(SECRET, f"{SECRET}WRONG"))
    monkeypatch.setenv("ATLAS_PASSWORD", f"{PASSWORD}WRONG")
    return config


def files_with_the_secret(folder):
    named = {"config.yaml", "my.cnf"}
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and path.name not in named and SECRET.encode() in path.read_bytes()
    ]


def test_a_run_says_and_writes_nothing_of_the_password(config, tmp_path):
    done = run_warm(SCRIPT, config, NIGHTS[0], "--stampLocation=out", "--verbose", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert (tmp_path / "out" / "good.txt").exists()
    assert files_with_the_secret(tmp_path) == []


def test_a_failed_login_says_nothing_of_the_password(wrong, tmp_path):
    done = run_warm(SCRIPT, wrong, NIGHTS[0], "--stampLocation=out", "--verbose", cwd=tmp_path)
    assert done.returncode == 1
    assert "Access denied for user 'atlas_reader'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert SECRET not in done.stdout + done.stderr
    assert files_with_the_secret(tmp_path) == []


def command_lines():
    """Give the command line of every process."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes()
        except OSError:
            continue


def test_the_process_list_shows_nothing_of_the_password(mariadb, config, tmp_path):
    """Hold a lock while the process waits for it, and look."""
    command = [sys.executable, SCRIPT, config, str(NIGHTS[0]), "--stampLocation=out"]
    waiting = "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for%'"
    with mariadb.connect("atlas") as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLES atlas_metadataddc WRITE")
        process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE)
        for _ in range(2000):
            if mariadb.run(waiting) != ((0,),):
                break
        lines = list(command_lines())
    process.communicate(timeout=60)
    assert any(os.fsencode(SCRIPT) in line for line in lines)
    assert not [line for line in lines if SECRET.encode() in line]


@pytest.mark.parametrize("config", ["key", "url"], indirect=True)
def test_the_scheduler_shows_nothing_of_the_password(wrong, luigid, tmp_path):
    words = ("GetCutOuts", f"--scheduler-url={luigid}", f"--mjds={NIGHTS[0]}", "--no-lock")
    done = run_warm(PIPELINE, *words, f"--configFile={wrong}", cwd=tmp_path)
    assert done.returncode == 1
    assert "Access denied for user" in done.stderr
    shown = done.stdout + done.stderr
    with urllib.request.urlopen(f"{luigid}/api/task_list?data=%7B%7D") as page:
        tasks = json.load(page)["response"]
    assert tasks
    for task in tasks:
        query = urllib.parse.quote(json.dumps({"task_id": task}))
        with urllib.request.urlopen(f"{luigid}/api/fetch_error?data={query}") as page:
            shown += page.read().decode()
    assert "Access denied" in shown
    assert SECRET not in shown + json.dumps(tasks)
    assert files_with_the_secret(tmp_path) == []
