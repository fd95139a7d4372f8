"""The rooms of the package and the arrows between them, read from the sources."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import plas_jax

PACKAGE = Path(plas_jax.__file__).parent
REPOSITORY = Path(__file__).parents[1]
ROOMS = (
    "files",
    "datasets",
    "environments",
    "models",
    "algorithms",
    "methods",
    "training",
    "evaluation",
    "recipes",
    "results",
    "sweeps",
    "reports",
    "verification",
    "performance",
    "api",
    "commands",
)
ENTRY_POINT = "datasets/__main__.py"  # `python -m plas_jax.datasets` is a command
PEER = "performance/throughput/d3rlpy_plas.py"  # runs where plas_jax and jax are not installed
OWNERS = {
    "mujoco": ("environments/", "performance/throughput/", "commands/"),  # these report its version
    "gymnasium": ("environments/", "performance/throughput/environments.py", "commands/evaluation_speed.py"),
    "h5py": ("datasets/d4rl_files.py", "datasets/hdf5_files.py"),
    "minari": ("datasets/minari_files.py",),
    "matplotlib": ("reports/figures/",),
    "tensorboardX": ("results/loggers.py",),
    "wandb": ("results/loggers.py",),
    "trackio": ("results/loggers.py",),
    "requests": ("datasets/download.py", "datasets/offers.py"),
    "orbax": ("training/checkpoints.py",),
    "torch": (PEER,),
    "d3rlpy": (PEER,),
}
SOURCES = {path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
VAGUE = {"of", "found", "said", "asked", "told"}
FORBIDDEN = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}


def imports(source, name="module.py"):
    """Every module that a source imports, anywhere in it; relative imports and imported names made absolute."""
    here = ("plas_jax", *Path(name).parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) + 1 - node.level] if node.level else ()
            module = ".".join((*base, *(node.module or "").split("."))).strip(".")
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def rooms_of(source, name="module.py"):
    """The rooms, or modules at the top of the package, that a source imports."""
    return {module.split(".")[1] for module in imports(source, name) if module.startswith("plas_jax.")}


def packages_of(source):
    """The packages that a source imports, and those it names to `import_module` or `__import__`."""
    found = {module.split(".")[0] for module in imports(source)}
    for node in ast.walk(ast.parse(source)):
        named = isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__"))
        if named and node.args and isinstance(node.args[0], ast.Constant):
            found.add(str(node.args[0].value).split(".")[0])
    return found


def functions(source):
    """Every function of a source, with its parameters beside self and cls."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            arguments = node.args
            named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            starred = [each for each in (arguments.vararg, arguments.kwarg) if each]
            names = [each.arg for each in (*named, *starred) if each.arg not in ("self", "cls")]
            yield getattr(node, "name", "lambda"), names


@pytest.mark.parametrize(
    ("source", "rooms"),
    [
        ("import plas_jax.training.chunk as chunk", {"training"}),
        ("from plas_jax import reports, types", {"reports", "types"}),
        ("def f():\n    from plas_jax.models.cvae import CVAE", {"models"}),
        ("from . import bellman", {"algorithms"}),
        ("from ..training import chunk", {"training"}),
        ("from .. import training", {"training"}),
        ("import plas_jax_extras.training", set()),
    ],
)
def test_arrows_are_read_however_they_are_written(source, rooms):
    assert rooms_of(source, "algorithms/plas.py") == rooms


def test_the_package_has_the_rooms_of_its_design_and_no_other():
    assert {name.split("/")[0] for name in SOURCES if "/" in name} == set(ROOMS)
    assert {name for name in SOURCES if "/" not in name} == {"__init__.py", "types.py"}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_itself_and_rooms_before_it(room):
    allowed = {"types", *ROOMS[: ROOMS.index(room) + 1]}
    files = {name: source for name, source in SOURCES.items() if name.startswith(f"{room}/") and name != ENTRY_POINT}
    wrong = {name: rooms_of(source, name) - allowed for name, source in files.items()}
    assert {name: rooms for name, rooms in wrong.items() if rooms} == {}


def test_types_import_no_room():
    assert rooms_of(SOURCES["types.py"]) == set()


@pytest.mark.parametrize("package", OWNERS)
def test_a_heavy_package_is_imported_by_its_owner_alone(package):
    importers = [name for name, source in SOURCES.items() if package in packages_of(source)]
    assert importers
    assert [name for name in importers if not name.startswith(OWNERS[package])] == []


def test_what_runs_in_a_peers_environment_imports_nothing_of_ours():
    assert packages_of(SOURCES[PEER]) - set(sys.stdlib_module_names) == {"d3rlpy", "torch", "numpy"}
    assert [name for name, source in SOURCES.items() if "d3rlpy_plas" in str(imports(source, name))] == []


def modules_after(statement):
    program = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_importing_the_package_is_cheap():
    loaded = modules_after("import plas_jax")
    assert "plas_jax" in loaded
    assert not loaded & {*OWNERS, "jax", "flax", "numpy", "rich"}


def test_the_mathematics_load_no_heavy_package():
    loaded = modules_after("import plas_jax.algorithms.plas, plas_jax.algorithms.sac, plas_jax.training.chunk")
    assert "jax" in loaded
    assert not loaded & {"mujoco", "gymnasium", "h5py", "matplotlib"}


def test_the_inits_of_packages_only_import_again():
    inits = [name for name in SOURCES if name.endswith("__init__.py")]
    assert {name.split("/")[0] for name in inits} >= set(ROOMS)
    # The package's own finds what `import plas_jax` offers when it is asked for.
    for name in set(inits) - {"__init__.py"}:
        for node in ast.parse(SOURCES[name]).body:
            said = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            listed = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            assert said or listed or isinstance(node, ast.ImportFrom), f"{name}: {ast.unparse(node)}"


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_holds_more_than_its_share(room):
    lines = {name: len(source.splitlines()) for name, source in SOURCES.items()}
    assert sum(count for name, count in lines.items() if name.startswith(f"{room}/")) <= 0.15 * sum(lines.values())


@pytest.mark.parametrize(
    ("source", "parameters"),
    [
        ("def f(a, /, b, *c, d=1, **e): ...", ["a", "b", "d", "c", "e"]),
        ("async def f(a): ...", ["a"]),
        ("class C:\n    def f(self, a): return lambda of: of", ["a", "of"]),
    ],
)
def test_parameters_are_read_wherever_they_stand(source, parameters):
    assert [name for _, names in functions(source) for name in names] == parameters


def test_every_parameter_says_what_it_is():
    named = [(file, *function) for file, source in SOURCES.items() for function in functions(source)]
    assert [(file, name) for file, name, parameters in named if VAGUE & {*parameters}] == []


def test_what_has_a_type_says_so():
    nodes = [node for source in SOURCES.values() for node in ast.walk(ast.parse(source))]
    assert sum("Any" in (getattr(node, "id", None), getattr(node, "attr", None)) for node in nodes) < 100


def test_no_function_takes_more_than_six_parameters():
    named = [(file, *function) for file, source in SOURCES.items() for function in functions(source)]
    assert [(file, name) for file, name, parameters in named if len(parameters) > 6] == []


def test_commands_are_short():
    assert sum(len(source.splitlines()) for name, source in SOURCES.items() if name.startswith("commands/")) <= 1500


def test_no_file_is_longer_than_250_lines():
    assert {name: len(source.splitlines()) for name, source in SOURCES.items() if len(source.splitlines()) > 250} == {}


def test_nothing_is_unpickled():
    for name, source in SOURCES.items():
        assert not packages_of(source) & FORBIDDEN, name
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant), name
                assert node.value.value is False, name


def test_a_benchmark_is_short_and_calls_a_command():
    scripts = list((REPOSITORY / "benchmarks").glob("*.py"))
    assert scripts
    for script in scripts:
        source = script.read_text("utf-8")
        assert len(source.splitlines()) <= 15, script.name
        assert rooms_of(source) == {"commands"}, script.name
