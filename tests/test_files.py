import re
from pathlib import Path

import pytest

from realbogus.errors import ConfigError, FormatError
from realbogus.files import (
    Spool,
    atomic_path,
    read_lines,
    require_readable_file,
    require_writable_folder,
)


def test_a_finished_file_is_moved_to_its_name_and_nothing_else_is_left(tmp_path):
    target = tmp_path / "new" / "model.keras"
    with atomic_path(target) as part:
        part.write_text("whole")
        assert not target.exists()
    assert target.read_text() == "whole"
    assert list(target.parent.iterdir()) == [target]


def test_the_unfinished_file_is_hidden_beside_its_target_with_the_same_suffix(tmp_path):
    with atomic_path(tmp_path / "plots.png") as part:
        assert part.parent == tmp_path
        assert part.name.startswith(".plots.")
        assert part.suffix == ".png"
        part.touch()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_no_part(tmp_path, error):
    target = tmp_path / "good.txt"
    target.write_text("old")
    with pytest.raises(error), atomic_path(target) as part:
        part.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_two_writers_of_one_target_do_not_share_a_part(tmp_path):
    target = tmp_path / "good.txt"
    with atomic_path(target) as first, atomic_path(target) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert target.read_text() == "first"


def test_spooled_lines_come_after_the_head_that_is_known_last(tmp_path):
    with Spool(tmp_path / "good.txt") as spool:
        for number in range(3):
            spool.add_line(f"é{number}")
        assert list(tmp_path.iterdir()) == []
        spool.save(f"# {spool.count} lines\n")
    assert (tmp_path / "good.txt").read_text() == "# 3 lines\né0\né1\né2\n"
    assert list(tmp_path.iterdir()) == [tmp_path / "good.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_spooled_lines_of_a_failure_are_nowhere(tmp_path, error):
    (tmp_path / "good.txt").write_text("old")
    with pytest.raises(error), Spool(tmp_path / "good.txt") as spool:
        spool.add_line("half")
        raise error
    assert (tmp_path / "good.txt").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "good.txt"]


def test_a_file_in_place_of_the_folder_is_one_line(tmp_path):
    (tmp_path / "training").write_text("")
    with pytest.raises(ConfigError, match="training: can't write in this folder"):
        require_writable_folder(tmp_path / "training")


def test_a_folder_that_takes_no_files_is_one_line():
    """Nobody can make files there, root included."""
    with pytest.raises(ConfigError, match=re.escape("/proc: can't write in this folder (")):
        require_writable_folder(Path("/proc"))


def test_a_missing_input_is_named_with_its_option(tmp_path):
    with pytest.raises(ConfigError, match=r"good: .*none\.txt does not exist"):
        require_readable_file(tmp_path / "none.txt", name="good")


def test_a_folder_is_no_input_file(tmp_path):
    with pytest.raises(ConfigError, match=r"bad: .* is not a readable file"):
        require_readable_file(tmp_path, name="bad")


def test_lines_are_numbered_from_one(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("one\ntwo\n")
    assert list(read_lines(path)) == [(1, "one\n"), (2, "two\n")]


def test_a_missing_text_file_is_one_line(tmp_path):
    with pytest.raises(FormatError, match=r"none\.txt: no such file"):
        list(read_lines(tmp_path / "none.txt"))


def test_bytes_that_are_not_text_are_one_line(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(FormatError, match=r"list\.txt: not a text file that can be read"):
        list(read_lines(path))
