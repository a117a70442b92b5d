#!/usr/bin/env python3
"""How fast stamps are cut out of a full-size exposure, beside two rivals and the floor.

    pip install -e '.[bench]'
    python simulateSurvey.py FOLDER --exposures 1
    python benchmarks/cutouts.py FOLDER/diff/02a/58310/*.diff.fz

The floor is what nobody can leave out: decoding the packed image with the fastest reader here, and
writing the same bytes to the disk, as one file that waits for the disk or as one a stamp. Rivals
are a loop around astropy's ``Cutout2D`` and ``astrocut``, which opens the image for every position
and so is measured on a few stamps only. All take turns; the figures are medians. Before each turn
the disk is waited for, and memory is touched and given back.

First the stamps are compared with what astropy cuts, pixel by pixel. The last table cuts several
exposures with one process and with two.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from astropy.io import fits
from turns import begin_turn

from realbogus.cli import ArgumentParser, run
from realbogus.cutouts import ExposureJob, Sources, cut_exposure, make_folders
from realbogus.parallel import open_workers

# What only rivals need they import themselves: every worker process imports this file, too.

_SIZE = 40
_ASTROCUT_MOST = 20
_COUNTS = (20, 300, 3_000, 12_000)
_EXPOSURES = 12
_IN_EACH = 3_000
_DECODINGS = 5
_CHECKED = 2_000
# More than any of them takes.
_TOUCHED = 2**30

_Racer = Callable[[Path], object]


@dataclass(frozen=True)
class _Case:
    """Positions on an image, and the folder to write to."""

    image: Path
    sources: Sources
    stamp_format: str
    folder: Path

    @property
    def job(self) -> ExposureJob:
        name = self.image.name.partition(".")[0]
        return ExposureJob(
            name, self.image, self.folder, _SIZE, self.stamp_format, "all", self.sources
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark with the words of a command line; return the exit status."""
    parser = ArgumentParser(__doc__)
    parser.add_argument("image", type=Path, help="a packed difference image")
    parser.add_argument("--counts", type=_numbers, default=_COUNTS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--exposures", type=int, default=_EXPOSURES, help="for the last table")
    parser.add_argument("--no-rivals", action="store_true")
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore")  # astropy's, of headers
    return run(lambda: _benchmark(options), verbose=options.verbose)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def _benchmark(options: argparse.Namespace) -> None:
    readers = {name: partial(_decode, read, options.image) for name, read in _READERS.items()}
    with _scratch() as folder:
        decoded = _race(readers, _DECODINGS, folder)
    print("decoding alone: " + ", ".join(f"{k} {v:.3f} s" for k, v in decoded.items()))
    fastest = min(decoded, key=lambda name: decoded[name])
    _require_same_pixels(options.image)
    print(f"\n| stamps | as | ours | floor | ratio | of a decoding | {' | '.join(_RIVALS)} |")
    print("| --- " * (6 + len(_RIVALS)) + "|")
    for count in options.counts:
        for stamp_format in ("cube", "files"):
            _compare(options, count, stamp_format, _READERS[fastest])
    _compare_processes(options.image, options.exposures, options.rounds)


def _require_same_pixels(image: Path) -> None:
    """Compare stamps with those of astropy's `Cutout2D`."""
    from astropy.nddata import Cutout2D

    sources = _sources(image, _CHECKED)
    with _scratch() as folder:
        case = _Case(image, sources, "cube", folder)
        _ours(case)
        with fits.open(next(folder.rglob("*.fits"))) as hdus:
            ours, x, y = hdus[0].data, hdus[1].data["x"], hdus[1].data["y"]
    with fits.open(image) as hdus:
        pixels = hdus[1].data.astype(np.float32)
        pixels[pixels == hdus[1].header.get("MASKVAL")] = np.nan
    for stamp, *position in zip(ours, x.astype(int), y.astype(int), strict=True):
        cut = Cutout2D(pixels, position, _SIZE, mode="partial", fill_value=np.nan)
        if not np.array_equal(stamp, cut.data, equal_nan=True):
            raise ValueError(f"{image}: the stamp at {position} differs from astropy's")
    print(f"{len(ours)} stamps have the pixels that astropy cuts")


def _compare(
    options: argparse.Namespace, count: int, stamp_format: str, decode: Callable[[Path], object]
) -> None:
    sources = _sources(options.image, count)
    with _scratch() as folder:
        case = _Case(options.image, sources, stamp_format, folder)
        contents = _contents_of_ours(case)
        racers: dict[str, _Racer] = {
            "ours": partial(_in_folder, _ours, case),
            "floor": partial(_floor, decode, options.image, contents),
            "decoding": partial(_decode, decode, options.image),
        }
        for name, rival in _RIVALS.items() if not options.no_rivals else ():
            racers[name] = partial(_in_folder, rival, case)
        took = _race(racers, options.rounds, folder)
    scale = count / min(count, _ASTROCUT_MOST)
    rivals = [
        "" if options.no_rivals else f"{took[name] * (scale if name == 'astrocut' else 1):.2f} s"
        for name in _RIVALS
    ]
    print(
        f"| {count:,} | {stamp_format} | {took['ours']:.3f} s | {took['floor']:.3f} s | "
        f"{took['ours'] / took['floor']:.2f} | {took['ours'] / took['decoding']:.2f} | "
        f"{' | '.join(rivals)} |",
        flush=True,
    )


def _race(racers: Mapping[str, _Racer], rounds: int, folder: Path) -> dict[str, float]:
    """Let functions take turns, each in a new folder, and give the median seconds of each."""
    took: dict[str, list[float]] = {name: [] for name in racers}
    for number in range(rounds):
        for name, racer in racers.items():
            here = folder / f"{name}{number}"
            here.mkdir()
            begin_turn(_TOUCHED)
            start = time.perf_counter()
            racer(here)
            took[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in took.items()}


def _sources(image: Path, count: int) -> Sources:
    """Draw positions all over an image."""
    with fits.open(image) as hdus:
        ny, nx = hdus[1].shape
    rng = np.random.default_rng(count)
    ids = (10**18 + rng.permutation(10**6)[:count]).astype(np.uint64)
    x, y = rng.uniform(0, nx, count), rng.uniform(0, ny, count)
    numbers = np.full(count, 18.5)
    is_real = np.arange(count) < count // 4
    return Sources(ids, ids, x, y, numbers, numbers, numbers, numbers, is_real)


def _ours(case: _Case) -> None:
    make_folders(case.folder, case.stamp_format)
    outcome = cut_exposure(case.job)
    if outcome.problem is not None or outcome.good + outcome.bad + outcome.masked != len(
        case.sources
    ):
        raise OSError(f"not all stamps were cut: {outcome}")


def _contents_of_ours(case: _Case) -> dict[str, bytes]:
    _ours(case)
    return {path.name: path.read_bytes() for path in case.folder.rglob("*.fits")}


def _in_folder(function: Callable[[_Case], object], case: _Case, folder: Path) -> None:
    function(replace(case, folder=folder))


def _decode(read: Callable[[Path], object], image: Path, _: Path) -> None:
    read(image)


def _floor(
    read: Callable[[Path], object], image: Path, contents: Mapping[str, bytes], folder: Path
) -> None:
    """Decode, and write files; a single one, as ours of a cube, waits until it is on the disk."""
    read(image)
    for name, content in contents.items():
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.write(descriptor, content)
        if len(contents) == 1:
            os.fsync(descriptor)
        os.close(descriptor)


def _read_with_astropy(image: Path) -> object:
    with fits.open(image, memmap=False) as hdus:
        return hdus[1].data


def _read_with_fitsio(image: Path) -> object:
    import fitsio

    with fitsio.FITS(str(image)) as hdus:
        return hdus[1].read()


_READERS: Mapping[str, Callable[[Path], object]] = {
    "astropy": _read_with_astropy,
    "fitsio": _read_with_fitsio,
}


def _astropy_loop(case: _Case) -> None:
    """Cut as the manual of astropy shows, and write the same number of files."""
    from astropy.nddata import Cutout2D, NoOverlapError
    from astropy.table import Table
    from astropy.wcs import WCS

    folder = case.folder
    with fits.open(case.image, memmap=False) as hdus:
        data, wcs, mask = hdus[1].data, WCS(hdus[1].header), hdus[1].header.get("MASKVAL")
    planes = []
    for number, (x, y) in enumerate(zip(case.sources.x, case.sources.y, strict=True)):
        try:
            position = (int(x), int(y))
            cut = Cutout2D(data, position, _SIZE, wcs=wcs, mode="partial", fill_value=mask)
        except NoOverlapError:
            continue
        pixels = np.where(cut.data == mask, np.nan, cut.data).astype(np.float32)
        if case.stamp_format == "files":
            hdu = fits.PrimaryHDU(pixels, cut.wcs.to_header(relax=True))
            hdu.writeto(folder / f"{number}.fits", overwrite=True)
        planes.append(pixels)
    if case.stamp_format == "cube":
        table = fits.BinTableHDU(Table({"x": case.sources.x, "y": case.sources.y}))
        hdus = fits.HDUList([fits.PrimaryHDU(np.array(planes)), table])
        hdus.writeto(folder / "cube.fits", overwrite=True)


def _astrocut(case: _Case) -> None:
    from astrocut import FITSCutout
    from astropy.wcs import WCS

    with fits.open(case.image, memmap=False) as hdus:
        wcs = WCS(hdus[1].header)
    few = slice(min(len(case.sources), _ASTROCUT_MOST))
    x, y = case.sources.x[few], case.sources.y[few]
    for place in wcs.pixel_to_world(x - 0.5, y - 0.5):
        cut = FITSCutout(str(case.image), place, _SIZE, extension=1)
        cut.write_as_fits(str(case.folder))


_RIVALS: Mapping[str, Callable[[_Case], None]] = {
    "astropy loop": _astropy_loop,
    "astrocut": _astrocut,
}


def _compare_processes(image: Path, exposures: int, rounds: int) -> None:
    sources = _sources(image, _IN_EACH)
    with _scratch() as folder:
        case = _Case(image, sources, "cube", folder)
        racers: dict[str, _Racer] = {
            str(count): partial(_cut_all, case, exposures, count) for count in (1, 2)
        }
        took = _race(racers, rounds, folder)
    print(f"\n{exposures} exposures of {_IN_EACH:,} stamps as cubes, processes started and ended:")
    for count, seconds in took.items():
        print(f"{count} processes: {seconds:.2f} s, {took['1'] / seconds:.2f} times one")


def _cut_all(case: _Case, exposures: int, count: int, folder: Path) -> None:
    make_folders(folder, case.stamp_format)
    job = replace(case.job, location=folder)
    jobs = [replace(job, obs=f"02a58310o{number:04d}c") for number in range(exposures)]
    with open_workers(count, preload=["realbogus.cutouts"]) as workers:
        problems = [item.problem for item in workers.map(cut_exposure, jobs) if item.problem]
    if problems:
        raise OSError(problems[0])


@contextmanager
def _scratch() -> Iterator[Path]:
    """Give a folder on the disk of this one."""
    folder = Path(tempfile.mkdtemp(dir=Path.cwd(), prefix=".bench"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    raise SystemExit(main())
