"""The pages say what is so: their code is the examples', their commands and links lead somewhere."""

import configparser
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from how_to_pages import EXAMPLES, ROOT, blocks, page, without_blocks

from benchmarks import cli
from datasets.errors import InputError

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CODE = [(name, block) for name in EXAMPLES for language, block in blocks(page(name)) if language != "sh"]
RUN_ELSEWHERE = {f"{name}.md" for name in EXAMPLES}  # by tests/test_examples.py, on what the examples add


def commands(path):
    """Everything that the page shows as a command, from shell blocks, transcripts and between backticks."""
    text = path.read_text(encoding="utf-8")
    lines = [line for language, content in blocks(text) if language in {"sh", ""} for line in content.splitlines()]
    lines += re.findall(r"`([^`]+)`", " ".join(without_blocks(text).split()))
    parts = [part.strip().removeprefix("$ ") for line in lines for part in line.split("&&")]
    return [shlex.split(part, comments=True) for part in parts if re.match(r"(python3? -m|tox) ", part)]


COMMANDS = [(path.name, command) for path in PAGES for command in commands(path)]


def calls(*start):
    """Page and arguments of the commands that begin so."""
    return [(page, command[len(start) :]) for page, command in COMMANDS if tuple(command[: len(start)]) == start]


def test_there_is_something_to_check():
    assert len(CODE) >= 15
    assert len(calls("python", "-m", "benchmarks")) >= 15
    assert len(calls("python", "-m", "pytest")) >= 3


@pytest.mark.parametrize(("name", "block"), CODE)
def test_code_of_a_how_to_page_is_the_examples_word_for_word(name, block):
    files = [
        path for path in (ROOT / "examples" / EXAMPLES[name]).rglob("*") if path.suffix in {".py", ".toml", ".diff"}
    ]
    assert any(block in path.read_text(encoding="utf-8") for path in files), block


@pytest.mark.parametrize(
    ("where", "arguments"), [call for call in calls("python", "-m", "benchmarks") if call[0] not in RUN_ELSEWHERE]
)
def test_command_is_one_that_the_command_line_takes(where, arguments):  # noqa: ARG001 - names the page in a report
    assert callable(cli.parser().parse_args(arguments).command)


def test_the_workflow_on_the_page_of_the_gate_is_one_that_works():
    """What it calls and installs is there; it can only be run where another repository is."""
    (workflow,) = (content for language, content in blocks(page("gate")) if language == "yaml")
    (line,) = (line for line in workflow.splitlines() if " -m benchmarks " in line)
    options = cli.parser().parse_args(shlex.split(line.partition(" -m benchmarks ")[2]))
    assert (options.base_python, options.head_python) == ("../base/bin/python", "../head/bin/python")
    group = re.search(r"--group recallbench/pyproject\.toml:(\S+) -c recallbench/(\S+)", workflow)
    assert group[1] in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    assert (ROOT / group[2]).is_file()
    kept = re.search(r"path: recallbench/(\S+)", workflow)
    assert str(options.export) == kept[1]


def test_a_command_that_does_not_exist_would_be_found():
    with pytest.raises(InputError):
        cli.parser().parse_args(["run", "--sweet", "ann"])


def test_every_tox_environment_that_is_named_exists():
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    there = {name for section in tox.sections() for name in expanded(section.removeprefix("testenv:"))}
    named = {arguments[1] for _, arguments in (*calls("python3", "-m", "tox"), *calls("tox")) if arguments[0] == "-e"}
    assert {"bench", "tests"} <= named <= there


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
RUN_BY_WORKFLOWS = [
    (path.name, shlex.split(line)) for path in WORKFLOWS for line in re.findall(r"run: (python.*)", path.read_text())
]


@pytest.mark.parametrize(("where", "words"), RUN_BY_WORKFLOWS)
def test_a_workflow_runs_what_the_command_line_takes(where, words):  # noqa: ARG001 - names the file in a report
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    if "-e" in words:
        environment, given = words[words.index("-e") + 1], words[words.index("--") + 1 :] if "--" in words else []
        runs = tox[f"testenv:{environment}"]["commands"]
        if runs.startswith("python -m pytest "):
            return
        start, _, rest = runs.partition("python -m benchmarks ")
        assert (start, rest.partition(" {posargs")[1]) == ("", " {posargs")
        assert callable(cli.parser().parse_args([rest.split()[0], *given]).command)


def test_workflows_run_something():
    assert sum("-e" in words for _, words in RUN_BY_WORKFLOWS) >= 3


def expanded(name):
    """The environments of a section: `a{b,c}` is ab and ac."""
    start, _, choices = name.partition("{")
    choices, _, end = choices.partition("}")
    return [f"{start}{choice}{end}" for choice in choices.split(",")]


@pytest.mark.parametrize(("where", "arguments"), calls("python", "-m", "pytest"))
def test_tests_that_a_page_names_are_there(where, arguments):  # noqa: ARG001 - names the page in a report
    files = [argument for argument in arguments if "/" in argument]
    assert files
    assert all(list(ROOT.glob(file)) for file in files)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_links_lead_to_files_and_headings_that_are_there(path):
    links = re.findall(r"\]\(([^)\s]+)\)", " ".join(without_blocks(path.read_text(encoding="utf-8")).split()))
    for link in (link for link in links if not link.startswith("https://")):
        file, _, heading = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), link
        assert not heading or heading in headings(target), link


def test_every_figure_of_the_readme_is_in_the_leaderboard_that_it_names():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    parts = [part for block in text.split("\n\n") for part in (block.splitlines() if block[0] == "|" else [block])]
    named = [(part, ROOT / file) for part in parts for file in re.findall(r"\]\((\S+/leaderboard\.md)\)", part)]
    assert len({file for _, file in named}) >= 4
    for part, file in named:
        figures = re.findall(r"\d+\.\d+[k×]?|\d{3,}", part)
        assert figures
        there = file.read_text(encoding="utf-8")
        assert [figure for figure in figures if figure not in there] == [], file


def test_the_badges_of_licence_and_citation_say_what_the_files_say():
    licence, citation = ((ROOT / "docs" / "badges" / f"{name}.svg").read_text() for name in ("licence", "citation"))
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"licence: {re.search('^license: (.*)$', cited, re.MULTILINE)[1]}<" in licence
    version = re.search("^version: (.*)$", cited, re.MULTILINE)[1]
    assert f"recallbench {version}<" in citation
    assert f'version = "{version}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def headings(path):
    """The anchors that GitHub gives a page's headings."""
    titles = re.findall(r"^#+ (.*)$", without_blocks(path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_fault_that_a_page_lists_has_the_test_that_it_names():
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page("what-it-survives"))
    assert len(named) >= 40
    for file, test in named:
        assert f"def {test or 'test_'}" in (ROOT / file).read_text(encoding="utf-8"), (file, test)


def test_the_index_of_the_pages_lists_them_all():
    listed = set(re.findall(r"\]\(([\w-]+\.md)\)", (ROOT / "docs" / "README.md").read_text(encoding="utf-8")))
    assert listed == {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}


def test_every_example_of_more_than_a_file_has_its_page():
    assert {path.name for path in Path(ROOT / "examples").iterdir() if path.is_dir() and path.name[0] != "_"} == set(
        EXAMPLES.values()
    )
