import logging

import pytest

from realbogus.cli import ArgumentParser, describe_error, run, start_logging
from realbogus.errors import ConfigError, DatabaseError

pytestmark = pytest.mark.usefixtures("same_log")


def fail(error):
    def stage():
        raise error

    return stage


def test_a_stage_that_ends_well_is_status_zero(capsys):
    assert run(lambda: None, verbose=False) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ConfigError("e must be 10"), "ERROR: e must be 10\n"),
        (DatabaseError("database atlas4: gone"), "ERROR: database atlas4: gone\n"),
        (FileNotFoundError(2, "No such file", "a.csv"), "ERROR: a.csv: No such file\n"),
        (OSError(28, "No space left on device"), "ERROR: system: No space left on device\n"),
        (OSError("odd"), "ERROR: system: odd\n"),
        (ConfigError("'a\nb': no such night"), "ERROR: 'a b': no such night\n"),
    ],
)
def test_an_expected_error_is_one_line_and_status_one(error, line, capsys):
    assert run(fail(error), verbose=False) == 1
    assert capsys.readouterr() == ("", line)


def test_an_unexpected_error_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run(fail(ZeroDivisionError()), verbose=False)


def test_ctrl_c_is_one_line_and_status_130(capsys):
    assert run(fail(KeyboardInterrupt()), verbose=False) == 130
    assert capsys.readouterr().err == "ERROR: interrupted; nothing half-written is left\n"


@pytest.mark.parametrize(("verbose", "shown"), [(True, "DEBUG: detail\n"), (False, "")])
def test_verbose_says_more(verbose, shown, capsys):
    log = logging.getLogger("realbogus.stages.build")
    run(lambda: log.debug("detail"), verbose=verbose)
    assert capsys.readouterr().err == shown


def test_starting_the_log_twice_says_everything_once(capsys):
    start_logging(verbose=False)
    start_logging(verbose=False)
    logging.getLogger("realbogus.files").info("once")
    assert capsys.readouterr().err == "INFO: once\n"


def test_an_error_is_described_without_its_kind():
    assert describe_error(ConfigError("mjds: give a night")) == "mjds: give a night"
    assert describe_error(ValueError("odd")) == "odd"


@pytest.mark.parametrize("words", [["--none"], ["--verb"], ["--number", "x"]])
def test_a_wrong_word_is_one_line_and_status_one(words, capsys):
    parser = ArgumentParser("Try.")
    parser.add_argument("--number", type=int)
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(words)
    assert caught.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_help_is_status_zero(capsys):
    with pytest.raises(SystemExit) as caught:
        ArgumentParser("Try this.").parse_args(["--help"])
    assert caught.value.code == 0
    assert "Try this." in capsys.readouterr().out
