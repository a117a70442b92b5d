"""The rules of docs/architecture.md, proved by reading the code without running it."""

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import realbogus

PACKAGE = Path(realbogus.__file__).parent
ROOT = PACKAGE.parent

# A module imports from lower layers, and in its own layer only from those left of it.
LAYERS = {
    "L0": "errors",
    "L1": "files remotes config recipes options exposures words lists records scores metrics "
    "pooling verdicts scatter counts breaker ledger hdf5 parquet fitsfiles plainfits normalisation "
    "seeing groups intervals known budgets comparison splits calibration quality prominence",
    "L2": "database images stamps worklist imagescores blocks features triage parallel prefetch "
    "selection dataset traits evaluation pages models plots cutting fetch",
    "L3": "provenance cutouts surveys bench wanted scoring references holding writeback "
    "detections nights simulation",
    "L4": "stages",
    "L5": "cli tasks __main__",
}
ORDER = [name for layer in LAYERS.values() for name in layer.split()]

# Each external library, and the only parts of the package that know it.
HOMES = {
    "PIL": {"plots"},
    "argparse": {"cli", "__main__", "simulation.montage"},
    "astropy.io": {"fitsfiles"},
    "astropy.wcs": {"simulation"},
    "concurrent": {"parallel"},
    "csv": {"scores", "simulation"},
    "h5py": {"hdf5"},
    "keras": {"models"},
    "luigi": {"tasks"},
    "matplotlib": {"plots"},
    "multiprocessing": {"parallel"},
    "onnx": {"models"},
    "onnxruntime": {"models.engines"},
    "pickle": set(),
    "pyarrow": {"parquet"},
    "pymysql": set(),
    "scipy": {
        "calibration",
        "comparison",
        "intervals",
        "normalisation",
        "pooling",
        "scatter",
        "simulation",
    },
    "skimage": {"normalisation"},
    "sklearn": {"calibration"},
    "sqlalchemy": {"database"},
    "sqlite3": set(),
    "subprocess": {"fetch"},
    "tensorflow": {"models.devices"},
    "tqdm": {"cli", "parallel", "models"},
    "urllib.request": {"fetch"},
    "yaml": {"config"},
}
PRIVATE_HABITS = ("TypeVar(", "logging.getLogger(", "NDArray[", "Callable[")
HEAVY = {"numpy", "astropy", "h5py", "keras", "luigi", "matplotlib", "sqlalchemy", "tensorflow"}


def name_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
del MODULES["__init__"]


class WhatRuns(ast.NodeTransformer):
    """Leave out what only type checkers and ``python -m`` read."""

    def visit_If(self, node):
        if ast.unparse(node.test) in {"TYPE_CHECKING", "__name__ == '__main__'"}:
            return None
        return self.generic_visit(node)


@cache
def tree_of(name):
    return WhatRuns().visit(ast.parse(MODULES[name].read_text(encoding="utf-8")))


@cache
def imports_of(name):
    """Give the full names that a module imports anywhere, deferred imports included."""
    found = set()
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own_imports_of(name):
    """Give the modules of the package that a module imports."""
    inner = {item.removeprefix("realbogus.") for item in imports_of(name) if is_ours(item)}
    return {item if item in MODULES else item.rpartition(".")[0] for item in inner} - {""}


def is_ours(item):
    return item.startswith("realbogus.") and item != "realbogus.__version__"


def part_of(name):
    return name.split(".")[0]


def test_every_module_is_in_the_table_and_nothing_else_is():
    assert sorted(ORDER) == sorted({part_of(name) for name in MODULES})


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_from_lower_layers(name):
    for imported in own_imports_of(name):
        if part_of(imported) != part_of(name):
            assert ORDER.index(part_of(imported)) < ORDER.index(part_of(name)), imported


def test_no_modules_import_each_other_in_a_ring():
    graph = {name: own_imports_of(name) - {name} for name in MODULES}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


def test_a_stage_does_not_know_another():
    for name in MODULES:
        if name.startswith("stages."):
            assert not {other for other in own_imports_of(name) if other.startswith("stages")}


def test_the_drawing_in_the_documentation_has_these_layers():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = {
        layer: set(re.split(r"\s{3,}", names.strip())[0].replace("/", "").split())
        for layer, names in re.findall(r"^(L\d)  (.*)$", text, re.MULTILINE)
    }
    stages = {part for name in MODULES for part in name.split(".") if name.startswith("stages.")}
    expected = {layer: set(names.split()) for layer, names in LAYERS.items()}
    assert drawn == {**expected, "L4": stages}


def test_the_map_in_the_package_is_in_the_order_of_the_table():
    rows = realbogus.__doc__.split("====\n")[1:-1]
    words = [line.split("   ")[0] for row in rows for line in row.splitlines()[:-1]]
    listed = [name.strip() for word in words for name in word.split(",")]
    assert listed == [name for name in ORDER if name != "__main__"]


@pytest.mark.parametrize("library", HOMES)
def test_a_library_is_known_only_in_its_home(library):
    users = {
        name
        for name in MODULES
        if any(f"{item}.".startswith(f"{library}.") for item in imports_of(name))
    }
    homes = HOMES[library]
    assert {user for user in users if user not in homes and part_of(user) not in homes} == set()
    assert all(any(f"{user}.".startswith(f"{home}.") for user in users) for home in homes)


def test_only_the_edge_prints_and_exits():
    forbidden = {"print", "exit", "quit", "sys.exit", "os._exit", "SystemExit", "input"}
    for name in set(MODULES) - {"cli", "__main__"}:
        called = {
            ast.unparse(node.func) for node in ast.walk(tree_of(name)) if isinstance(node, ast.Call)
        }
        assert not called & forbidden, name


def test_nothing_from_outside_is_ever_run():
    forbidden = {"eval", "exec", "compile", "__import__", "os.system", "yaml.load"}
    for name in MODULES:
        called = {
            ast.unparse(node.func) for node in ast.walk(tree_of(name)) if isinstance(node, ast.Call)
        }
        assert not called & forbidden, name


def names_defined_in(tree):
    """Give the public names that a module itself defines, loggers and names of types apart."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            value = ast.unparse(node.value) if node.value else ""
            if not value.startswith(PRIVATE_HABITS):
                yield from (name.id for name in targets if isinstance(name, ast.Name))


def names_imported_in(tree):
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom | ast.Import)]
    return {alias.asname or alias.name for node in nodes for alias in node.names}


def offer_of(tree):
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return ast.literal_eval(node.value)
    return None


def rank(name):
    """Sort as ruff does: constants, then classes, then functions."""
    kind = 0 if name.isupper() else 1 if name[0].isupper() else 2
    return kind, name


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"__main__"}))
def test_a_module_declares_all_that_it_offers(name):
    tree = tree_of(name)
    public = {item for item in names_defined_in(tree) if not item.startswith("_")}
    offer = offer_of(tree)
    if offer is None:
        assert MODULES[name].name == "__init__.py"
        assert not public
        return
    assert offer == sorted(set(offer), key=rank)
    assert public <= set(offer) <= public | names_imported_in(tree)


@pytest.mark.parametrize("name", MODULES)
def test_nobody_imports_what_another_keeps_private(name):
    private = {item for item in imports_of(name) if item.rpartition(".")[2].startswith("_")}
    assert {item for item in private if is_ours(item)} == set()


@pytest.mark.parametrize("name", MODULES)
def test_a_module_says_what_it_is_for(name):
    assert ast.get_docstring(tree_of(name))


@pytest.mark.parametrize("module", ["realbogus", "realbogus.cli", "realbogus.options"])
def test_what_every_script_imports_first_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert not HEAVY & set(loaded.stdout.split())
