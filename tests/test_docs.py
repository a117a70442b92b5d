"""The documents say what the code does."""

import re
import runpy

import luigi
import pytest
import yaml

import atlasClassificationPipeline
from realbogus.cli import ArgumentParser
from realbogus.config import load_config
from realbogus.tasks import RecipeTask
from tests.helpers import ROOT

README = (ROOT / "README.md").read_text()
SCRIPTS = sorted(path.name for path in ROOT.glob("*.py"))
PIPELINE = "atlasClassificationPipeline.py"


def options_of(script, monkeypatch):
    """Collect the options of a script from its own parser."""
    names = []

    def stop(self, words=None):
        for action in self._actions:
            names.extend(action.option_strings or [action.dest])
        raise SystemExit

    monkeypatch.setattr(ArgumentParser, "parse_args", stop)
    main = runpy.run_path(str(ROOT / script))["main"]
    with pytest.raises(SystemExit):
        main([])
    return {name.lstrip("-") for name in names} - {"h", "help", "v", "verbose", "p", "n", "o"}


def tasks():
    found = [getattr(atlasClassificationPipeline, n) for n in dir(atlasClassificationPipeline)]
    kinds = [item for item in found if isinstance(item, type) and issubclass(item, RecipeTask)]
    return [task for task in kinds if task is not RecipeTask and task.__name__[0] != "_"]


def parameters(task):
    return {
        name
        for name in dir(task)
        if isinstance(getattr(task, name), luigi.Parameter) and name != "isUpstream"
    }


def documented():
    """Give every option in the second column of the table of options."""
    table = README.split("## Options")[1].split("\n## ")[0]
    cells = [line.split("|")[2] for line in table.splitlines() if line.startswith("|")]
    return set(re.findall(r"`(\w+)`", " ".join(cells)))


@pytest.mark.parametrize("script", SCRIPTS)
def test_readme_names_every_script(script):
    assert script in README


def test_readme_names_no_script_that_does_not_exist():
    named = set(re.findall(r"[\w/]+\.py\b", README))
    assert all((ROOT / name).exists() for name in named)


def test_readme_names_every_task_with_its_script():
    table = README.split("| task | script |")[1].split("\n\n")[0]
    for task in tasks():
        assert f"`{task.__name__}`" in table


def test_readme_has_every_option_and_no_other(monkeypatch):
    of_tasks = {name for task in tasks() for name in parameters(task)}
    of_scripts = {
        name for script in SCRIPTS if script != PIPELINE for name in options_of(script, monkeypatch)
    }
    assert documented() == (of_tasks | of_scripts) - {"folder"}


def test_commands_of_the_readme_name_files_and_options_that_exist(monkeypatch):
    blocks = re.findall(r"```sh\n(.*?)```", README, re.S)
    commands = [line for block in blocks for line in block.splitlines() if "python" in line]
    assert len(commands) >= 6
    known = documented() | {"local-scheduler", "GetCutOuts-mjds", "inputfiles"}
    for command in commands:
        words = command.split()
        assert (ROOT / words[1]).exists()
        assert {word[2:].split("=")[0] for word in words if word.startswith("--")} <= known


def test_links_and_pictures_exist():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), (page, target)


def test_makefile_has_the_words_of_the_readme():
    words = set(re.findall(r"make (\w+)", README))
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    assert {"demo", "test"} <= words <= targets


def test_continuous_integration_runs_the_test_command():
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_example_configuration_is_valid():
    config = load_config(ROOT / "config.yaml.example")
    assert config.survey == "atlas"
    assert config.database.hostname == "db1.example.org"


def test_commented_thresholds_of_the_example_are_the_defaults():
    from realbogus.surveys.atlas import LabelRules, label_rules

    text = (ROOT / "config.yaml.example").read_text().split("# labels:")[1]
    block = "\n".join(line.removeprefix("#") for line in text.splitlines())
    assert label_rules(yaml.safe_load(block)) == LabelRules()


def test_changelog_has_an_unreleased_part():
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text()


def test_readme_says_the_default_of_each_option():
    table = README.split("## Options")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.split("|")[1:4]]
        for line in table.splitlines()[2:]
        if line[:1] == "|"
    ]
    said = dict(zip(*[[row[i] for row in rows] for i in (1, 2)], strict=True))
    by_name = {name: getattr(task, name) for task in tasks() for name in parameters(task)}
    for cell, default in said.items():
        values = default.replace("`", "").split(", ")
        for name, value in zip(re.findall(r"`(\w+)`", cell), values, strict=False):
            parameter = by_name.get(name)
            if parameter is not None and re.fullmatch(r"[\d.]+|02a|psat|training", value):
                assert str(value) == f"{parameter._default}".removesuffix(".0"), name
