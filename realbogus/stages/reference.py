"""The exposures of accepted nights in one table beside the classifier that scored them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from realbogus.breaker import find_alarms, fit_reference
from realbogus.counts import Counts, write_counts
from realbogus.errors import ConfigError
from realbogus.files import require_readable_file
from realbogus.options import FALSE_ALARMS, require_false_alarms
from realbogus.provenance import identify
from realbogus.recipes import Recipe
from realbogus.references import collect_accepted, shipped_path

__all__ = ["write_reference"]


def write_reference(
    classifier: Path, scores: Sequence[Path], *, false_alarms: float = FALSE_ALARMS
) -> list[str]:
    """Write the table that scores of a classifier are compared with where there are no others.

    Each night is compared with the others first; what departs is left out.

    Parameters
    ----------
    classifier : Path
        The classifier, beside which the table will lie.
    scores : sequence of Path
        Scores of accepted nights that it gave, of one list or of all detections; their tables of
        exposures, or folders of these.
    false_alarms : float
        The probability that anything of a good night is left out.

    Returns
    -------
    list of str
        What came of it, in lines.

    Raises
    ------
    ConfigError, FormatError
        If a file is not there or none, or exposures are too few or of several lists.
    """
    require_readable_file(classifier, name="classifier")
    require_false_alarms(false_alarms)
    made_by = identify(classifier)
    options, accepted = collect_accepted(scores, made_by.digest)
    kept: list[Counts] = []
    lines = []
    for camera in sorted({item.camera for item in accepted}):
        own = [item for item in accepted if item.camera == camera]
        departing = _departing(own, false_alarms)
        lines += [f"{name} departs from other nights: {why}" for name, why in departing.items()]
        left = [item for item in own if not {item.name, item.night_name} & departing.keys()]
        if fit_reference(left) is None:
            lines.append(f"camera {camera} has too few exposures: {_sizes(left)}")
        else:
            kept += left
            lines.append(f"camera {camera}: {_sizes(left)}")
    if not kept:
        raise ConfigError(f"reference: nothing is enough to compare with: {'; '.join(lines)}")
    output = shipped_path(classifier, options)
    results = {"exposures": len(kept), "left_out": len(accepted) - len(kept)}
    write_counts(output, kept, Recipe("reference", options, {"classifier": made_by}, results))
    return [*lines, str(output)]


def _departing(exposures: Sequence[Counts], false_alarms: float) -> Mapping[str, str]:
    """Compare each night of a camera with the others; give what departs, and why."""
    found: dict[str, str] = {}
    for night in sorted({item.night for item in exposures}):
        reference = fit_reference([item for item in exposures if item.night != night])
        if reference is not None and false_alarms > 0:
            own = [item for item in exposures if item.night == night]
            for alarm in find_alarms(own, {own[0].camera: reference}, false_alarms=false_alarms):
                found[alarm.unit.name] = str(alarm)
    return found


def _sizes(exposures: Sequence[Any]) -> str:
    return f"{len(exposures)} exposures of {len({item.night for item in exposures})} nights"
