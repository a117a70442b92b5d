"""The picture of a survey's stamps."""

from pathlib import Path

from matplotlib.image import imread

from realbogus.simulation.montage import main


def test_command_draws_a_line_for_each_kind(atlas_survey: Path, tmp_path: Path) -> None:
    assert main([str(atlas_survey), str(tmp_path / "montage.png")]) == 0
    picture = imread(tmp_path / "montage.png")
    assert picture.shape[0] > 400
    assert picture[..., :3].std() > 0.1
