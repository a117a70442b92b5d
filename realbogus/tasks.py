"""What the Luigi tasks share: option types, recipes checked, and errors in one line."""

import logging
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import luigi
from luigi.cmdline_parser import CmdlineParser
from luigi.interface import PidLockAlreadyTakenExit
from luigi.parameter import ParameterException, ParameterVisibility
from luigi.task_register import Register, TaskClassException

from realbogus.cli import describe_error, start_logging
from realbogus.errors import ConfigError, RealBogusError, RecipeError
from realbogus.options import parse_names, parse_nights
from realbogus.provenance import identify, read_recipe
from realbogus.recipes import Input, Recipe, find_difference

__all__ = ["FilesParameter", "NightsParameter", "RecipeTask", "run_luigi"]

log = logging.getLogger("realbogus")

AnyTask = TypeVar("AnyTask", bound="RecipeTask")


class NightsParameter(luigi.Parameter[tuple[int, ...]]):
    """A list of nights: ``[58310,58311]``, ``58310,58311`` or ``58310-58320``."""

    def parse(self, text: str) -> tuple[int, ...]:
        """Read nights as typed."""
        return parse_nights(text)

    def normalize(self, value: str | Iterable[object]) -> tuple[int, ...]:
        """Take nights as typed or as a list."""
        return parse_nights(value)

    def serialize(self, value: Iterable[int]) -> str:
        """Write nights as typed."""
        return ",".join(map(str, value))


class FilesParameter(luigi.Parameter[tuple[str, ...]]):
    """A list of file names: ``[a.csv,b.csv]``, ``["a.csv", "b.csv"]`` or ``a.csv,b.csv``."""

    def parse(self, text: str) -> tuple[str, ...]:
        """Read file names as typed."""
        return parse_names(text)

    def normalize(self, value: str | Iterable[str]) -> tuple[str, ...]:
        """Take file names as typed or as a list."""
        return parse_names(value) if isinstance(value, str) else tuple(map(str, value))

    def serialize(self, value: Iterable[str]) -> str:
        """Write file names as typed."""
        return f"[{','.join(value)}]"


class RecipeTask(luigi.Task):
    """A task whose target says what made it.

    A task that was asked for wants its target made exactly by its options. One that another task
    needs (``isUpstream``) takes a file at hand as it is, but for the options that were given.
    """

    isUpstream = luigi.BoolParameter(  # noqa: N815 - a task's option
        default=False, significant=False, visibility=ParameterVisibility.PRIVATE
    )

    content_options: tuple[str, ...] = ()
    """The options that decide the content of the target."""

    def content_inputs(self) -> Mapping[str, Path]:
        """Give the input files by option name, whether they exist or not."""
        return {}

    def requires(self) -> Mapping[str, "RecipeTask"]:
        """Give the upstream tasks by the option that names what they make."""
        return {}

    def output(self) -> Any:
        """Give the targets; the first carries the recipe."""
        raise NotImplementedError

    def complete(self) -> bool:
        """Say whether the targets exist; those of another recipe are an error."""
        targets = [Path(target.path) for target in luigi.task.flatten(self.output())]
        if not all(target.exists() for target in targets):
            return False
        recipe = read_recipe(targets[0])
        if recipe is not None:
            self.require_agreement(targets[0], recipe)
        return True

    def on_failure(self, exception: BaseException) -> str:
        """Tell the scheduler the error in one line."""
        return describe_error(exception)

    def need(self, task: type[AnyTask], **passed: str) -> AnyTask:
        """Ask for an upstream task, to which this one passes some options.

        Raises
        ------
        ConfigError
            If one of them was also given on the command line, with another value.
        """
        for name, value in passed.items():
            given = _given_on_command_line(str(task.task_family), name)
            if given is not None and given != value:
                raise ConfigError(
                    f"--{task.task_family}-{name} {given}: {self.task_family} itself asks for "
                    f"{value}; give that option to {self.task_family}"
                )
        options: dict[str, Any] = {"isUpstream": True, **passed}
        return task(**options)

    def require_agreement(self, target: Path, recipe: Recipe) -> None:
        """Check that a target was made by this task's options, and its inputs by theirs.

        Raises
        ------
        RecipeError
            If not; it names the first option that differs.
        """
        difference = find_difference(
            recipe,
            options=self._demands(),
            inputs=self._inputs(),
            is_whole=not self.isUpstream,
        )
        if difference is not None:
            raise RecipeError(
                f"{target} exists and was made with {self.task_family} {difference}: "
                "remove it, name another file, or ask for what made it"
            )
        for name, task in self.requires().items():
            made_from = recipe.inputs.get(name)
            if made_from is not None and made_from.recipe is not None:
                task.require_agreement(target, made_from.recipe)

    def _demands(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in self.wanted_options().items()
            if not self.isUpstream or self._is_given(name)
        }

    def wanted_options(self) -> Mapping[str, Any]:
        """Give the content options as recipes record them."""
        return {name: getattr(self, name) for name in self.content_options}

    def _is_given(self, name: str) -> bool:
        family = str(self.task_family)
        parameter = getattr(type(self), name, None)
        if not isinstance(parameter, luigi.Parameter):
            return False
        default = parameter.normalize(parameter.task_value(family, name))
        return getattr(self, name) != default or _given_on_command_line(family, name) is not None

    def _inputs(self) -> dict[str, Input | None]:
        """Give the inputs; of a task that another needs, those that the command line names."""
        family = str(self.task_family)
        return {
            name: identify(path) if path.exists() else None
            for name, path in self.content_inputs().items()
            if not self.isUpstream or _given_on_command_line(family, name) is not None
        }


def run_luigi(argv: Sequence[str]) -> int:
    """Run the task of a command line.

    Returns
    -------
    int
        The exit status: 0, or 1 if anything failed.
    """
    start_logging(verbose=False)
    _tidy_luigi_log()
    try:
        words = _canonical_words(argv)
        return 0 if luigi.run([*_defaults(words), *words]) else 1
    except PidLockAlreadyTakenExit:
        log.error("the same command is running already (--no-lock allows two)")
    except (RealBogusError, ParameterException, TaskClassException, OSError, ValueError) as error:
        log.error("%s", describe_error(error))
    return 1


def _defaults(words: Sequence[str]) -> list[str]:
    """Give the options of Luigi that were left out and should not be as Luigi has them.

    Its log is too long to read, and its folder of locks can't be shared by the users of a machine.
    """
    locks = Path(tempfile.gettempdir(), f"luigi-{os.getuid()}")
    wanted = {"--log-level": "INFO", "--lock-pid-dir": str(locks)}
    given = {word.partition("=")[0] for word in words}
    return [f"{name}={value}" for name, value in wanted.items() if name not in given]


def _given_on_command_line(family: str, name: str) -> str | None:
    """Return what was typed; None if nothing was, as for a flag that is left out."""
    parser = CmdlineParser.get_instance()
    typed = None if parser is None else getattr(parser.known_args, f"{family}_{name}", None)
    return typed or None


def _canonical_words(argv: Sequence[str]) -> list[str]:
    """Give every option its full name in its declared case, and check it and its value.

    Luigi itself would take ``--e`` for an abbreviation of its own options, and would meet a bad
    value of an upstream task only half-way.
    """
    options = _Options(argv)
    words = []
    for index, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if not name.startswith("--"):
            words.append(word)
            continue
        full = options.full_name(name)
        following = argv[index + 1] if index + 1 < len(argv) else None
        try:
            options.check_value(full, value if equals else following)
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{name}: {error}") from error
        words.append(f"{full}{equals}{value}")
    return words


class _Options:
    """The options that a command line may have: Luigi's own, and those of every task."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._parameters: dict[str, luigi.Parameter[Any] | None] = {
            "--help": None,
            "--help-all": None,
        }
        for family, is_global, name, parameter in Register.get_all_params():
            flag = name if is_global else f"{family}-{name}"
            self._parameters[f"--{flag}".replace("_", "-")] = parameter
        root = _root_task(argv)
        self._prefixes = (f"--{root}-", "--")

    def full_name(self, name: str) -> str:
        """Find an option by its name, in any case where that leaves one; the task's own first."""
        names = [prefix + name.removeprefix("--") for prefix in self._prefixes]
        for full in names:
            if full in self._parameters:
                return full
        for full in names:
            same = [known for known in self._parameters if known.lower() == full.lower()]
            if len(same) == 1:
                return same[0]
        raise ConfigError(f"{name}: no such option (see --help)")

    def check_value(self, full: str, value: str | None) -> None:
        """Check that a value can be read, for the options of tasks."""
        parameter = self._parameters[full]
        if parameter is None or isinstance(parameter, luigi.BoolParameter):
            return
        if value is None or value.startswith("--"):
            raise ConfigError("a value is missing")
        try:
            parameter.parse(value)
        except RealBogusError:
            raise
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{value!r} is not allowed ({error})") from error


def _root_task(argv: Sequence[str]) -> str:
    """Find the task that a command line asks for; without one, only help can be asked for."""
    tasks = sorted(_task_names(RecipeTask))
    named = [word for word in argv if word in tasks]
    if named or {"--help", "--help-all"} & set(argv):
        return named[0] if named else ""
    given = f"; got {argv[0]!r}" if argv and not argv[0].startswith("-") else ""
    raise ConfigError(f"give a task, one of {', '.join(tasks)}{given}")


def _task_names(base: type[RecipeTask]) -> set[str]:
    names = {name for task in base.__subclasses__() for name in _task_names(task)}
    return names if base is RecipeTask or base.__name__[0] == "_" else {base.__name__, *names}


def _tidy_luigi_log() -> None:
    """Keep tracebacks out of Luigi's log, and the log out of the root logger that absl sets up."""
    luigi_log = logging.getLogger("luigi-interface")
    luigi_log.propagate = False
    luigi_log.addFilter(_shorten)


def _shorten(record: logging.LogRecord) -> bool:
    """Turn the traceback that Luigi logs of an expected error into its one line."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, RealBogusError | OSError):
        record.msg, record.args = describe_error(error), ()
        record.exc_info = None
        return True
    text = record.getMessage()
    if "\nTraceback (most recent call last)" in text:
        last = text.strip().splitlines()[-1]
        if last.startswith("realbogus.errors."):
            record.msg, record.args = last.partition(": ")[2], ()
            record.levelno, record.levelname = logging.ERROR, "ERROR"
    return True
