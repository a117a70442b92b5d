"""The scripts as people run them: in a process of their own, or a fork of a warm one."""

import pytest

from tests.helpers import ROOT, run_python
from tests.warm import run_warm

SCRIPTS = sorted(path.name for path in ROOT.glob("*.py") if path.name != "setup.py")
HEAVY = ("tensorflow", "keras", "astropy", "h5py", "matplotlib", "sqlalchemy", "skimage")


def run_script(script, *words, cwd):
    return run_warm(ROOT / script, *words, cwd=cwd)


def assert_one_line(done, *parts):
    """Check that a script failed with one line that holds these words, and without a traceback."""
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert len([line for line in lines if not line.startswith("WARNING: ")]) == 1, done.stderr
    for part in parts:
        assert part in lines[-1]


@pytest.mark.parametrize("script", [name for name in SCRIPTS if name[0] != "a"])
def test_help_loads_nothing_heavy(script, tmp_path):
    done = run_python(ROOT / script, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert "--verbose" in done.stdout
    code = (
        f"import sys; sys.argv = ['x', '--help']; import runpy\n"
        f"try: runpy.run_path({str(ROOT / script)!r}, run_name='__main__')\n"
        f"except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    loaded = run_python("-c", code, cwd=ROOT, check=True)
    assert loaded.stdout.strip().endswith("[]")


def test_whole_pipeline_by_hand(survey, tmp_path):
    steps = [
        ("getATLASTrainingSetCutouts.py", survey, "58310", "58311", "--stampLocation=out"),
        ("buildMLDataset.py", "-p", "out/good.txt", "-n", "out/bad.txt", "-o", "set.h5", "-e", "8"),
        (
            "kerasTensorflowClassifier.py",
            "set.h5",
            "--classifierfile=model.keras",
            "--outputcsv=scores.csv",
            "--epochs=2",
        ),
        ("plotResults.py", "scores.csv", "--outputFile=plots.png"),
    ]
    for script, *words in steps:
        done = run_python(ROOT / script, *words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    assert (tmp_path / "plots.png").read_bytes().startswith(b"\x89PNG")


def test_describe_says_what_made_a_file(trained, tmp_path):
    done = run_python("-m", "realbogus", "describe", trained / "model.h5", cwd=ROOT, check=True)
    lines = [line.strip() for line in done.stdout.splitlines()]
    for line in ("stage: train", "epochs: 2", "N: signPreserveNorm", "mjds: [58310, 58311]"):
        assert line in lines


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["none.yaml", "58310"], ["configFile: none.yaml does not exist"]),
        (["broken.yaml", "58310"], ["broken.yaml: not valid YAML (line 3)"]),
        (["other.yaml", "58310"], ["survey must be one of atlas, ps1; got 'lsst'"]),
        (["CONFIG", "58310", "--camera=09z"], ["camera must be one of 01a, 02a", "got '09z'"]),
        (["CONFIG", "58999"], ["no exposure of camera 02a in night 58999"]),
        (["CONFIG", "yesterday"], ["nights are given like", "'yesterday'"]),
        (["CONFIG", "58310", "--stampSize=x"], ["--stampSize", "invalid int value: 'x'"]),
        (["CONFIG"], ["mjds"]),
        (["CONFIG", "58310", "--stampLocation=CONFIG"], ["can't write in this folder"]),
        (["nodb.yaml", "58310"], ["survey.db: no such file"]),
    ],
)
def test_bad_input_to_cutouts_is_one_line(survey, tmp_path, words, parts):
    (tmp_path / "broken.yaml").write_text("a: 1\nb: [1\n")
    database = "databases: {local: {url: 'sqlite:///survey.db'}}\n"
    (tmp_path / "other.yaml").write_text(f"{database}survey: lsst\n")
    (tmp_path / "nodb.yaml").write_text(database)
    before = sorted(tmp_path.iterdir())
    words = [word.replace("CONFIG", str(survey)) for word in words]
    assert_one_line(run_script("getATLASTrainingSetCutouts.py", *words, cwd=tmp_path), *parts)
    assert [path for path in sorted(tmp_path.iterdir()) if path.name != "training"] == before


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["-p", "none", "-n", "BAD", "-o", "out.h5"], ["good: none does not exist"]),
        (["-p", "empty", "-n", "BAD", "-o", "out.h5"], ["empty: lists no real detection"]),
        (["-p", "notfits", "-n", "BAD", "-o", "out.h5"], ["notfits", "not a readable FITS image"]),
        (["-p", "GOOD", "-n", "BAD", "-o", "out.h5", "-e", "21"], ["smaller than 2 x extent = 42"]),
        (["-p", "GOOD", "-n", "BAD", "-o", "out.h5", "-N", "log"], ["must be one of noNorm"]),
        (["-p", "GOOD", "-n", "BAD"], ["-o/--outputFile"]),
    ],
)
def test_bad_input_to_the_builder_is_one_line(training, tmp_path, words, parts):
    (tmp_path / "empty").write_text("")
    for name in ("notfits", "notfits2"):
        (tmp_path / name).write_text("notfits\nnotfits2\n")
    lists = {"GOOD": training / "good.txt", "BAD": training / "bad.txt"}
    words = [lists.get(word, word) for word in words]
    assert_one_line(run_script("buildMLDataset.py", *words, cwd=tmp_path), *parts)
    assert not (tmp_path / "out.h5").exists()


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["none.h5", "--classifierfile=m.h5", "--outputcsv=s.csv"], ["none.h5 does not exist"]),
        (
            ["text.h5", "--classifierfile=m.h5", "--outputcsv=s.csv"],
            ["text.h5: not a readable"],
        ),
        (["DATASET", "--classifierfile=m.pkl", "--outputcsv=s.csv"], ["must end in .h5 or .keras"]),
        (["DATASET", "--classifierfile=m.h5"], ["--outputcsv"]),
    ],
)
def test_bad_input_to_the_classifier_is_one_line(dataset, tmp_path, words, parts):
    (tmp_path / "text.h5").write_text("no")
    words = [dataset if word == "DATASET" else word for word in words]
    assert_one_line(run_script("kerasTensorflowClassifier.py", *words, cwd=tmp_path), *parts)
    assert [path.name for path in tmp_path.iterdir()] == ["text.h5"]


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--classifier", "MODEL"], ["outputcsv: name the file to make"]),
        (["--detections", "58310"], ["outputparquet: name the file to make"]),
        (
            [
                "--detections",
                "58310",
                "--classifier",
                "MODEL",
                "x.fits",
                "--outputparquet=s.parquet",
            ],
            ["images: can't be given with detections"],
        ),
        (["--detections", "x", "--outputparquet=s.parquet"], ["nights are given like", "'x'"]),
        (
            ["--detections", "58310", "--outputparquet=d.parquet", "--combine=calibrated"],
            ["combine: can't be given with detections"],
        ),
        (
            ["--detections", "58310", "--outputparquet=d.parquet", "--falseAlarms=2"],
            ["falseAlarms must be from 0, for no comparison, to below 1; got 2.0"],
        ),
        (["--outputparquet=s.parquet"], ["outputcsv: name the file to make"]),
        (
            ["--classifier", "MODEL", "--outputcsv=s.csv", "--outputparquet=s.csv"],
            ["outputparquet must end in .parquet; got 's.csv'"],
        ),
        (["--camera", "02a", "--outputcsv=s.csv"], ["camera: can't be given without detections"]),
        (["--classifier", "none.h5", "--outputcsv=s.csv", "x.fits"], ["none.h5 does not exist"]),
        (["--classifier", "m.pkl", "x.fits", "--outputcsv=s.csv"], ["m.pkl does not exist"]),
        (["--classifier", "MODEL", "--outputcsv=s.csv"], ["config.yaml does not exist"]),
        (["--classifier", "MODEL", "x.fits", "--outputcsv=s.csv"], ["x.fits: no such file"]),
        (["--classifier", "MODEL", "nothing", "--outputcsv=s.csv"], ["nothing does not exist"]),
    ],
)
def test_bad_input_to_scoring_is_one_line(trained, tmp_path, words, parts):
    words = [trained / "model.h5" if word == "MODEL" else word for word in words]
    assert_one_line(run_script("runKerasTensorflowClassifier.py", *words, cwd=tmp_path), *parts)
    assert list(tmp_path.iterdir()) == []


def test_stamps_are_scored_by_hand(training, trained, tmp_path):
    words = ("--classifier", f"02a={trained / 'model.h5'}", training / "good")
    script = ROOT / "runKerasTensorflowClassifier.py"
    done = run_python(script, *words, "--outputcsv=s.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = run_warm("-m", "realbogus", "describe", tmp_path / "s.csv", "--results", cwd=ROOT)
    assert "without_score: 0" in done.stdout


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("ra,dec\n1,2\n", "line 1: not a name, a target"),
        ("a,1,0.5\nb,0,nan\n", "line 2: not a name, a target"),
        ("a,1,0.5\n", "holds 1 real and 0 bogus"),
        ("", "holds no scores"),
        ("\x00\udcff", "not a"),
    ],
)
def test_bad_input_to_the_plot_is_one_line(tmp_path, content, part):
    (tmp_path / "a.csv").write_bytes(content.encode(errors="surrogateescape"))
    done = run_script("plotResults.py", "a.csv", "--outputFile=p.png", cwd=tmp_path)
    assert_one_line(done, "a.csv", part)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["a.csv", "--outputFile=p.png", "--mdr=2"], "mdr must be rates between 0 and 1"),
        (["a.csv", "--outputFile=p.png", "--fprLimits=1"], "fprLimits must be two rates"),
        (["a.csv", "--outputFile=p.gif"], "outputFile must end in .png or .pdf or .svg"),
        (["--outputFile=p.png"], "inputFiles: give at least one score file"),
        (["--recall", "a.csv", "--outputFile=p.png"], "threshold: give one"),
        (["none.csv", "--outputFile=p.png"], "none.csv: no such file"),
        (["a.csv", "--labels=none.csv", "--outputFile=p.png"], "none.csv: no such file"),
    ],
)
def test_bad_input_to_plots_is_one_line(tmp_path, words, part):
    (tmp_path / "a.csv").write_text("a_1,1,0.5\nb_1,0,0.5\n")
    assert_one_line(run_script("plotResults.py", *words, cwd=tmp_path), part)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_recall_by_hand_writes_a_vector_figure(tmp_path):
    (tmp_path / "good.csv").write_text("7,0.9\n8,0.1\n")
    words = ("--recall", "good.csv", "--threshold=0.5", "--outputFile=r.pdf")
    done = run_script("plotResults.py", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")


def test_report_is_written_by_hand(dataset, trained, tmp_path):
    words = (trained / "scores.csv", "--dataset", dataset, "--out", tmp_path / "r.html")
    done = run_warm("-m", "realbogus", "report", *words, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    done = run_warm("-m", "realbogus", "describe", tmp_path / "r.html", "--results", cwd=ROOT)
    assert "auc: " in done.stdout
    done = run_warm("-m", "realbogus", "report", words[0], "--out", tmp_path / "r.pdf", cwd=ROOT)
    assert_one_line(done, "out must end in .html; got 'r.pdf'")


def test_budget_says_the_threshold(trained, tmp_path):
    words = ("--candidates=1000", "--ratio=3", "--mdr=0.2")
    done = run_warm("-m", "realbogus", "budget", trained / "scores.csv", *words, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == [
        *("threshold", "eyeballs a night", "false positive rate", "missed detection rate"),
        "intervals",
    ]


def test_comparison_prints_a_table_and_exits_1_only_if_the_new_one_is_worse(tmp_path):
    rows = [(f"{i}_x", i % 2, (i % 2) * 0.5 + (i * 7 % 100) / 250) for i in range(300)]
    text = {name: "" for name in ("good", "bad")}
    for item, target, score in rows:
        text["good"] += f"{item},{target},{score:.4f}\n"
        text["bad"] += f"{item},{target},{1 - score:.4f}\n"
    for name, content in text.items():
        (tmp_path / f"{name}.csv").write_text(content)
    words = ("-m", "realbogus", "compare", tmp_path / "good.csv")
    done = run_warm(*words, tmp_path / "good.csv", "--out", tmp_path / "a.png", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].split()[:3] == ["group", "rate", "at"]
    done = run_warm(*words, tmp_path / "bad.csv", "--out", tmp_path / "b.png", cwd=ROOT)
    assert "all" in done.stdout
    assert_one_line_of_errors(done, "the new classifier is significantly worse: fpr of all")


def assert_one_line_of_errors(done, part):
    errors = [line for line in done.stderr.splitlines() if not line.startswith("INFO")]
    assert done.returncode == 1
    assert len(errors) == 1
    assert part in errors[0]
