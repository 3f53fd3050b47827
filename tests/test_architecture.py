"""Who may import what, what stands beside what, and that tables and files hold the same."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from families import ADAPTERS, WHOLE

from backends.ann import INDEXES
from backends.registry import BACKENDS, FAMILIES, FRAMEWORKS, Unsupported
from benchmarks import cli, specs, suites
from benchmarks.agreement import injection
from benchmarks.harness.plan import MADE_UP, Options, Prepared, cells

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("datasets", "backends", "benchmarks", "reports")
MAY_IMPORT = {
    "datasets": {"datasets"},
    "backends": {"backends", "datasets"},
    "benchmarks": {"benchmarks", "backends", "datasets"},
    "reports": {"reports", "benchmarks", "backends", "datasets"},
}
ENTRANCE = "benchmarks/cli"  # where everything meets: its commands import the reports, when they are called
ROOMS = {  # each floor of the reports stands on those below it
    "tables": set(),
    "charts": {"tables"},
    "pages": {"tables", "charts"},
    "advice": {"tables", "charts"},
}
LIBRARIES = {
    "backends/torch": {"torch"},
    "backends/paddle": {"paddle"},
    "backends/tensorflow": {"tensorflow", "keras"},
    "backends/jax": {"jax", "flax", "optax"},
    "backends/ann": {"faiss", "annoy", "hnswlib", "usearch"},
    "backends/classic": {"implicit"},
    "benchmarks/cluster": {"ray"},
}
EVERY_LIBRARY = set().union(*LIBRARIES.values())
FLOORS = [("benchmarks/bench_classic.py", "implicit"), ("benchmarks/bench_tutorial.py", "torch")]
SHARED = {"contract.py", "optimizers.py", "layers.py"}  # what stands beside the adapters in a framework's folder
ON_GPU = "gpu.py"  # what is only asked of a GPU: no climb can run it without one
SHARED_BY_CLASSIC = {"neighbours.py"}
ADAPTED_AS = {"dssm": "two-tower", "youtube-dnn": "two-tower"}  # families whose specs differ in settings alone
NO_FAMILY = {
    "__init__",
    "attention",
    "base",
    "neighbours",
    "positions",
    "questions",
    "sequences",
    "sets",
    "two_tower",
}  # no models
CONTRACT = ["initialise", "train", "gradients", "embed_users", "embed_items", "export", "sync"]
ADAPTER = sorted(["init", *CONTRACT[1:]])
IMPORTED_AS = {"paddlepaddle": "paddle"}
FORWARD = {"forward": "__call__"}  # what PyTorch and Paddle call it, and what the others do

FILES = sorted(path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def tree(path):
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def imported(node):
    """Top-level packages of every import below the node, those inside functions and under TYPE_CHECKING too."""
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield child.module.partition(".")[0] if child.level == 0 else f"relative import in line {child.lineno}"
        elif isinstance(child, ast.Call) and ast.unparse(child.func).endswith(("import_module", "__import__")):
            first = child.args[0]
            if isinstance(first, ast.Constant):
                yield str(first.value).partition(".")[0]


def module_file(module):
    return ROOT / f"{module.replace('.', '/')}.py"


def in_fresh_interpreter(modules, watched):
    """Which of the watched packages are loaded once the modules have been imported."""
    code = f"import sys, {', '.join(modules)}; print([name for name in {sorted(watched)} if name in sys.modules])"
    seen = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return ast.literal_eval(seen.stdout)


def test_imports_point_one_way():
    wrong = {
        (str(path), package)
        for path in FILES
        for package in imported(without_spec_types(tree(path)))
        if package in PACKAGES and package not in MAY_IMPORT[path.parts[0]]
    }
    assert {package for _, package in wrong} == {"reports"}
    assert {str(Path(path).parent) for path, _ in wrong} == {ENTRANCE}


def test_the_entrance_is_entered_from_outside_only():
    inside = {
        str(path)
        for path in FILES
        if path.parent != Path(ENTRANCE)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom)
        and any(f"{node.module}.{name.name}.".startswith("benchmarks.cli.") for name in node.names)
    }
    assert inside == {"benchmarks/__main__.py"}


def test_every_command_is_a_file_that_says_its_arguments_and_then_what_it_does():
    for module in cli.COMMANDS:
        path = Path(module.__file__).relative_to(ROOT)
        public = [node.name for node in tree(path).body if isinstance(node, ast.FunctionDef) and node.name[0] != "_"]
        assert public[:2] == ["add", "call"], path


def without_spec_types(module):
    """The module without its `if TYPE_CHECKING:` at the top, where nothing but specs is imported there.

    An adapter says whose fields it reads, so that mypy knows them; when it runs it imports no spec.
    """
    module.body = [node for node in module.body if not names_specs_alone(node)]
    return module


def names_specs_alone(node):
    return (
        isinstance(node, ast.If)
        and ast.unparse(node.test) == "TYPE_CHECKING"
        and not node.orelse
        and all(isinstance(line, ast.ImportFrom) and line.module.startswith("benchmarks.specs.") for line in node.body)
    )


@pytest.mark.parametrize(
    ("code", "is_seen"),
    [
        ("if TYPE_CHECKING:\n    from benchmarks.specs.mind import MIND", False),
        ("from benchmarks.specs.mind import MIND", True),
        ("if TYPE_CHECKING:\n    from benchmarks.harness import worker", True),
        ("if TYPE_CHECKING:\n    from benchmarks.specs.mind import MIND\nelse:\n    import benchmarks", True),
        ("if not TYPE_CHECKING:\n    from benchmarks.specs.mind import MIND", True),
    ],
)
def test_of_all_imports_a_specs_type_alone_is_passed_over(code, is_seen):
    assert ("benchmarks" in imported(without_spec_types(ast.parse(code)))) == is_seen


@pytest.mark.parametrize("adapter", [adapter for (_, b), adapter in ADAPTERS.items() if b in FRAMEWORKS])
def test_an_adapter_names_the_type_of_its_spec(adapter):
    (model,) = (node for node in tree(module_file(adapter)).body if getattr(node, "name", "") == "Model")
    init = next(node for node in model.body if getattr(node, "name", "") == "__init__")
    named = ast.unparse(init.args.args[1].annotation)
    assert hasattr(importlib.import_module(f"benchmarks.specs.{adapter.rpartition('.')[2]}"), named)


def test_the_rooms_of_the_reports_stand_on_those_below_them():
    assert {path.parts[1] for path in FILES if path.parts[0] == "reports" and len(path.parts) > 2} == set(ROOMS)
    wrong = {
        (str(path), node.module)
        for path in FILES
        if path.parts[0] == "reports" and len(path.parts) > 2
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("reports.")
        and node.module.split(".")[1:2] not in [[room] for room in {path.parts[1], *ROOMS[path.parts[1]]}]
    }  # fmt: skip
    assert wrong == set()


def test_the_entrance_imports_the_reports_inside_functions_or_for_types_alone():
    for path in (path for path in FILES if path.parent == Path(ENTRANCE)):
        at_top = [node for node in tree(path).body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert "reports" not in {name for node in at_top for name in imported(node)}, path


def test_no_import_is_relative():
    assert [(str(path), name) for path in FILES for name in imported(tree(path)) if name.startswith("relative")] == []


def test_a_library_is_imported_in_its_own_folder_only():
    wrong = [
        (str(path), library)
        for path in FILES
        for library in EVERY_LIBRARY & set(imported(tree(path)))
        if library not in LIBRARIES.get(path.parent.as_posix(), set())
    ]
    assert wrong == FLOORS


@pytest.mark.parametrize("folder", LIBRARIES)
def test_the_walk_sees_what_a_folder_does_import(folder):
    seen = {name for path in FILES if path.parent.as_posix() == folder for name in imported(tree(path))}
    assert LIBRARIES[folder] - {"keras"} <= seen


def test_benchmarks_and_reports_load_no_framework():
    modules = [
        ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        for path in FILES
        if path.parts[0] in {"benchmarks", "reports"} and path.name != "__main__.py"
        and path.parent.as_posix() not in LIBRARIES
    ]  # fmt: skip
    assert {"benchmarks.cli", "benchmarks.harness.worker", "reports.write"} <= set(modules)
    assert in_fresh_interpreter(modules, EVERY_LIBRARY) == []


def test_the_registry_and_the_command_line_load_no_framework_and_no_reader():
    watched = EVERY_LIBRARY | {"pandas", "pyarrow", "numba", "reports"}
    assert in_fresh_interpreter(["backends.registry", "backends.ann", "benchmarks.cli"], watched) == []
    assert in_fresh_interpreter(["reports"], watched - {"reports"}) == []


def test_importing_datasets_is_light():
    assert in_fresh_interpreter(["datasets"], {"pandas", "pyarrow", "numba", *EVERY_LIBRARY}) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_the_packages_are_those_of_this_repository(package):
    assert Path(importlib.import_module(package).__file__) == ROOT / package / "__init__.py"


def test_the_frameworks_folders_hold_the_same_files():
    listings = {
        name: sorted(path.name for path in (ROOT / "backends" / name).glob("*.py") if path.name != "__init__.py")
        for name in WHOLE
    }
    assert len(WHOLE) >= 4
    assert len(set(map(tuple, listings.values()))) == 1, listings


def test_a_backend_of_some_families_holds_files_that_the_others_hold_too():
    for name in set(FRAMEWORKS) - set(WHOLE):
        there = {path.name for path in (ROOT / "backends" / name).glob("*.py")}
        assert there <= FRAMEWORK_FILES | {"__init__.py"}
        assert there >= {"contract.py", *(f"{adapter}.py" for adapter in BACKENDS[name].only)}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_contract_has_the_functions_in_the_one_order(framework):
    body = tree(f"backends/{framework}/contract.py").body
    public = [node.name for node in body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    assert public == CONTRACT


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_contracts_functions_take_the_same_arguments(framework):
    def arguments(name):
        body = tree(f"backends/{name}/contract.py").body
        return {node.name: ast.unparse(node.args) for node in body if getattr(node, "name", None) in CONTRACT[1:]}

    assert arguments(framework) == arguments(FRAMEWORKS[0])


FRAMEWORK_FILES = {path.name for path in FILES if path.parent.as_posix() == f"backends/{FRAMEWORKS[0]}"}


def test_what_a_framework_shares_is_three_files_each_of_which_imports_those_before_it_only():
    assert FRAMEWORK_FILES >= SHARED == {f"{name}.py" for name in injection.SHARED}
    for framework in FRAMEWORKS:
        package = f"backends.{framework}"
        for place, name in enumerate(injection.SHARED):
            if not (ROOT / "backends" / framework / f"{name}.py").exists():
                continue  # `test_the_frameworks_folders_hold_the_same_files` sees to who may
            nodes = ast.walk(tree(f"backends/{framework}/{name}.py"))
            inside = {
                alias.name if node.module == package else node.module.removeprefix(f"{package}.")
                for node in nodes
                if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{package}.")
                for alias in node.names
            }
            assert inside <= set(injection.SHARED[:place]), f"{framework}/{name}.py"


def test_the_four_layers_hold_the_same_functions_and_classes_in_the_same_order():
    outlines = {framework: _layers(tree(f"backends/{framework}/layers.py")) for framework in WHOLE}
    assert len({repr(outline) for outline in outlines.values()}) == 1, outlines
    names = [name for name, *_ in outlines[FRAMEWORKS[0]]]
    assert {"lookup", "softmax_loss", "GRU"} <= set(names)


def test_what_is_asked_of_a_gpu_is_the_same_in_every_framework_that_runs_on_one():
    having = [framework for framework in FRAMEWORKS if "gpu" in BACKENDS[framework].devices]
    outlines = {framework: _layers(tree(f"backends/{framework}/{ON_GPU}")) for framework in having}
    assert len({repr(outline) for outline in outlines.values()}) == 1, outlines
    assert [name for name, *_ in outlines[having[0]]] == ["resident", "peak_bytes"]


def _layers(module):
    """Public functions with their arguments, and public classes with those of how they are made and called."""
    outline = []
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            outline.append((node.name, _arguments(node)))
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            methods = {FORWARD.get(m.name, m.name): m for m in node.body if isinstance(m, ast.FunctionDef)}
            is_its_frameworks_own = node.name in {ast.unparse(base).rpartition(".")[2] for base in node.bases}
            assert "__call__" in methods or is_its_frameworks_own, f"{node.name} cannot be called"
            outline.append((node.name, _arguments(methods["__init__"])))
    return outline


def _arguments(function):
    return [argument.arg for argument in function.args.args]


@pytest.mark.parametrize("name", sorted(FRAMEWORK_FILES - {"__init__.py", ON_GPU, *SHARED}))
def test_an_adapters_files_hold_the_same_names_in_the_same_order(name):
    having = [framework for framework in FRAMEWORKS if (ROOT / "backends" / framework / name).exists()]
    outlines = {framework: _outline(tree(f"backends/{framework}/{name}")) for framework in having}
    assert len({repr(outline) for outline in outlines.values()}) == 1, outlines
    top, model = outlines[FRAMEWORKS[0]]
    assert {"__all__", "Model", "init"} <= set(top)
    assert {"__init__", "__call__", "users", "items"} <= set(model)


def _outline(module):
    """Names defined at the top of a file, and the methods and attributes of its Model."""
    top, model = [], []
    for node in module.body:
        top += _defined(node)
        if isinstance(node, ast.ClassDef) and node.name == "Model":
            for method in node.body:
                model += _defined(method)
                model += [ast.unparse(n.targets[0]) for n in ast.walk(method) if _sets_attribute(n)]
    return top, model


def _defined(node):
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [FORWARD.get(node.name, node.name)]
    return [ast.unparse(target) for target in node.targets] if isinstance(node, ast.Assign) else []


def _sets_attribute(node):
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).startswith("self.")


@pytest.mark.parametrize("adapter", [adapter for (_, b), adapter in ADAPTERS.items() if b in FRAMEWORKS])
def test_an_adapter_offers_the_whole_contract(adapter):
    body = ast.parse(module_file(adapter).read_text(encoding="utf-8")).body
    (offered,) = (node.value for node in body if isinstance(node, ast.Assign) and _defined(node) == ["__all__"])
    assert sorted(ast.literal_eval(offered)) == ADAPTER


@pytest.mark.parametrize("family", FAMILIES)
def test_a_familys_spec_is_where_the_registry_says(family):
    module, _, name = FAMILIES[family].spec.partition(":")
    assert module_file(module).is_file()
    assert specs.make(family, {}).model == family
    assert type(specs.make(family, {})).__name__ == name


def test_every_adapter_of_the_registry_is_a_file_and_every_file_is_in_it():
    listed = {module_file(adapter) for adapter in ADAPTERS.values()}
    folders = [ROOT / "backends" / name for name in BACKENDS]
    there = {path for folder in folders for path in folder.glob("*.py")}
    assert listed == {path for path in there if path.name not in {"__init__.py", ON_GPU, *SHARED, *SHARED_BY_CLASSIC}}


def test_every_adapter_stands_in_its_backends_folder_under_its_familys_name():
    for (family, backend), adapter in ADAPTERS.items():
        assert adapter == f"backends.{backend}.{ADAPTED_AS.get(family, family).replace('-', '_')}"


def test_every_spec_file_is_in_the_registry():
    there = {path.stem for path in (ROOT / "benchmarks" / "specs").glob("*.py")} - NO_FAMILY
    assert there == {row.spec.partition(":")[0].rpartition(".")[2] for row in FAMILIES.values()}


def test_what_a_backend_lacks_is_said_with_a_reason():
    for family, row in FAMILIES.items():
        assert set(row.adapters) <= set(BACKENDS), family
        if set(row.adapters) & set(FRAMEWORKS):
            assert set(FRAMEWORKS) <= set(row.adapters), f"{family} is silent about a framework"
        for adapter in row.adapters.values():
            assert isinstance(adapter, str) or (isinstance(adapter, Unsupported) and adapter.reason)


def test_every_framework_records_the_versions_of_what_it_imports():
    for framework in FRAMEWORKS:
        files = (ROOT / "backends" / framework).glob("*.py")
        used = {name for path in files for name in imported(tree(path))} & EVERY_LIBRARY
        recorded = {IMPORTED_AS.get(package, package) for package in BACKENDS[framework].packages}
        assert used <= recorded, framework


def test_every_index_of_the_table_is_served_by_a_file_of_its_folder():
    for row in INDEXES.values():
        assert module_file(row.module).parent == ROOT / "backends" / "ann"
        assert module_file(row.module).is_file()


@pytest.mark.parametrize("name", suites.names())
def test_every_public_suite_loads_and_plans(name):
    blocks = suites.load(name).blocks
    assert blocks
    for block in blocks:
        prepared = Prepared(block.dataset, block.protocol, Path("unused"), {"dataset": "d", "split": "s"}, ())
        planned = cells(block, prepared, Options())
        if block.vectors is None:
            asked = set(block.backends or WHOLE)
            assert {cell.backend for cell in planned if cell.kind == "train"} >= asked
        assert {cell.model for cell in planned} == ({row.model for row in block.models} or {MADE_UP})
        assert {cell.index["name"] for cell in planned if cell.index} == {row.name for row in block.indexes}
        assert all(row.name in INDEXES for row in block.indexes)
        assert len({cell.key for cell in planned}) == len(planned)
