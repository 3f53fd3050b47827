"""Workers that do what they may not: the time limit holds, memory and disk stay, and the reason names the fault.

They are scripts in place of the interpreter, and real processes.
"""

import os
import resource
import signal
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.harness import executors, files

START = """\
    #!{python}
    import json, os, pathlib, signal, subprocess, sys, time
    folder = pathlib.Path(sys.argv[-1])
    def done(**result):
        (folder / "result.json").write_text(json.dumps({{"status": "ok", **result}}))
"""
LIMIT_S = 1.5
GRACE_S = 4.0  # for starting and killing, on a machine that others use too

SLEEPS = "import time; time.sleep(60)"
HANGS = {
    "sleeps": "time.sleep(60)",
    "closes its output": "os.close(1); os.close(2); time.sleep(60)",
    "closes stdout and prints to stderr": "os.close(1)\nwhile True: os.write(2, b'x' * 4096)",
    "prints lines without end": "while True: os.write(1, b'a line\\n' * 4096)",
    "prints one line without end": "while True: os.write(1, b'x' * 65536)",
    "prints to stderr without end": "while True: os.write(2, b'x' * 65536)",
    "ignores the polite signals": "[signal.signal(n, signal.SIG_IGN) for n in (2, 15, 1)]; time.sleep(60)",
    "stops itself": "os.kill(os.getpid(), signal.SIGSTOP); time.sleep(60)",
    "says ready and no more": "print('ready', flush=True); time.sleep(60)",
    "writes a result and stays": "done(); time.sleep(60)",
    "forks without end to read": "os.fork(); os.fork(); time.sleep(60)",
}
BROKEN = {
    "nothing": "''",
    "half of it": '\'{"status": "o\'',
    "no JSON": "'status: ok'",
    "a list": "'[]'",
    "a number": "'5'",
    "no status": "'{}'",
    "a status that is a number": "'{\"status\": 1}'",
    "a reason that is a list": '\'{"status": "failed", "reason": []}\'',
    "timings that are text": '\'{"status": "ok", "timings": {"import_s": "1"}}\'',
    "timings that are a list": '\'{"status": "ok", "timings": []}\'',
    "settings that are a number": '\'{"status": "ok", "settings": 1}\'',
    "hashes of numbers": '\'{"status": "ok", "hashes": {"a": 1}}\'',
    "answers that are no list": '\'{"status": "ok", "answers": {}}\'',
    "answers of numbers": '\'{"status": "ok", "answers": [1]}\'',
    "a number of 5,000 digits": "'{\"status\": ' + '9' * 5000 + '}'",
    "100,000 levels": "'[' * 100000",
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs scripts, each as the worker of a task; returns their results in order, and the seconds that it took."""

    def run(*codes, turns=0, timeout_s=LIMIT_S, listener=None, loads_first=False):
        tasks = []
        for number, code in enumerate(codes):
            script = tmp_path / f"interpreter{number}"
            script.write_text(textwrap.dedent(START).format(python=sys.executable) + code + "\n")
            script.chmod(0o755)
            folder = tmp_path / f"task{number}"
            folder.mkdir()
            job = {"backend": str(script), "threads": 1, "device": "cpu", "loads_first": loads_first}
            tasks.append(executors.Task(job, folder, listener))
        monkeypatch.setattr(executors, "interpreter", str)
        start = time.monotonic()
        results = [result for _, result in executors.run(tasks, turns, timeout_s)]
        return results, time.monotonic() - start

    return run


def ends(path):
    """Whether the process comes to its end whose number stands in a file; one that was killed takes a moment."""
    for _ in range(200):
        try:
            if psutil.Process(int(path.read_text())).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("code", HANGS.values(), ids=HANGS)
def test_the_limit_holds(run, code, tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (result,), seconds = run(code)
    assert (result["status"], result["reason"]) == ("timeout", f"not done within {LIMIT_S:g} s; see --timeout")
    assert LIMIT_S <= seconds < LIMIT_S + GRACE_S
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB
    assert (tmp_path / "task0" / "stderr").stat().st_size <= executors.KEPT_STDERR
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or [])]


def test_the_limit_holds_for_each_turn_and_the_others_have_theirs(run):
    good = "print('ready', flush=True)\nfor _ in sys.stdin: print('done', flush=True)\ndone()"
    silent = "print('ready', flush=True); os.close(1); time.sleep(60)"
    (first, second, third), seconds = run(good, silent, good, turns=3)
    assert [first["status"], second["status"], third["status"]] == ["ok", "timeout", "ok"]
    assert seconds < LIMIT_S + GRACE_S


WITH_TURNS = {
    "dies before it has loaded": ("sys.exit('no reason')", "failed"),
    "never says that it has loaded": ("time.sleep(60)", "timeout"),
    "hangs when it is alone": ("print('loaded', flush=True); sys.stdin.readline(); time.sleep(60)", "timeout"),
    "dies when it is alone": ("print('loaded', flush=True); sys.stdin.readline(); sys.exit('no reason')", "failed"),
    "is ready where it should have loaded": ("print('ready', flush=True); sys.exit('no reason')", "failed"),
    "prints much while it loads": ("os.write(2, b'x' * 200_000); print('loaded', flush=True); sys.exit(1)", "failed"),
}


@pytest.mark.parametrize(("code", "status"), WITH_TURNS.values(), ids=WITH_TURNS)
@pytest.mark.parametrize("loads_first", [False, True])
def test_one_that_is_never_ready_keeps_the_others_from_nothing(run, code, status, loads_first):
    loads = "print('loaded', flush=True); sys.stdin.readline()\n" if loads_first else ""
    good = f"{loads}print('ready', flush=True)\nfor _ in sys.stdin: print('done', flush=True)\ndone()"
    results, seconds = run(good, code, good, turns=2, loads_first=loads_first)
    assert [result["status"] for result in results] == ["ok", status, "ok"]
    assert seconds < 2 * LIMIT_S + GRACE_S


def test_no_limit_is_no_limit(run):
    (result,), _ = run("time.sleep(0.3); done()", timeout_s=float("inf"))
    assert result["status"] == "ok"


def test_children_that_hold_its_output_open_do_not_hold_the_run(run, tmp_path):
    code = (
        f"child = subprocess.Popen([sys.executable, '-c', {SLEEPS!r}], start_new_session=True)\n"
        "(folder / 'child').write_text(str(child.pid)); done()"
    )
    (result,), seconds = run(code, timeout_s=30.0)
    assert result["status"] == "ok"
    assert seconds < 10
    os.kill(int((tmp_path / "task0" / "child").read_text()), signal.SIGKILL)


def test_children_in_sessions_of_their_own_end_with_one_that_is_killed(run, tmp_path):
    code = (
        f"child = subprocess.Popen([sys.executable, '-c', {SLEEPS!r}], start_new_session=True)\n"
        "(folder / 'child').write_text(str(child.pid)); time.sleep(60)"
    )
    run(code)
    assert ends(tmp_path / "task0" / "child")


def test_what_it_prints_comes_in_lines_of_bounded_length(run):
    heard = []
    code = "print('a'); print('b' * 100_000); sys.stdout.write('c\\nd'); sys.stdout.flush(); done()"
    run(code, timeout_s=20.0, listener=heard.append)
    assert heard == ["a", "b" * executors.LONGEST_LINE, "c"]


def test_the_end_of_stderr_is_the_reason_however_much_came_before(run):
    code = "sys.stderr.write('x' * 1_000_000 + '\\nthe last words\\n'); sys.exit(3)"
    (result,), _ = run(code, timeout_s=20.0)
    assert result["reason"] == "exit status 3 without a result: the last words"


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_result_is_the_cells_failure(run, content):
    (result,), _ = run(f"(folder / 'result.json').write_text({content})", timeout_s=20.0)
    assert result["status"] == "failed"
    assert result["reason"].startswith("the worker's result.json is broken: ")
    assert len(result["reason"]) <= executors.LONGEST_REASON


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("os.mkfifo(folder / 'result.json')", "it is no file"),
        ("(folder / 'result.json').mkdir()", "it is no file"),
        ("(folder / 'result.json').symlink_to('/dev/zero')", "it is no file"),
        ("open(folder / 'result.json', 'w').truncate(10**10)", "it has 10,000,000,000 bytes"),
        ("(folder / 'result.json').write_bytes(b'\\xff\\xfe')", "can't decode"),
    ],
)
def test_what_is_no_result_file_is_not_read(run, code, reason):
    (result,), _ = run(code, timeout_s=20.0)
    assert result["status"] == "failed"
    assert reason in result["reason"]


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGRTMIN + 3])
def test_a_signal_is_named_where_it_has_a_name(run, number):
    (result,), _ = run(f"os.kill(os.getpid(), {int(number)})", timeout_s=20.0)
    assert result["status"] == "failed"
    assert result["reason"].startswith(f"killed by signal {int(number)} (")


@pytest.mark.parametrize("content", [None, "", "#!/nowhere/python\n"])
def test_an_interpreter_that_cannot_be_started_is_that_cells_failure(tmp_path, monkeypatch, content):
    program = tmp_path / "program"
    if content is not None:
        program.write_text(content)
        program.chmod(0o755 if content else 0o644)
    (tmp_path / "task").mkdir()
    monkeypatch.setattr(executors, "interpreter", lambda _: str(program))
    task = executors.Task({"backend": "none", "threads": 1, "device": "cpu"}, tmp_path / "task")
    for turns in (0, 2):
        ((_, result),) = executors.run([task], turns, 5.0)
        assert result["status"] == "failed"
        assert result["reason"].startswith(f"{program} cannot be started (")


REPLACED = {
    "nothing": "import shutil; shutil.rmtree(folder)",
    "a file": "import shutil; shutil.rmtree(folder); folder.write_text('mine')",
    "a folder for the result": "(folder / 'result.json').mkdir()",
}


@pytest.mark.parametrize("code", REPLACED.values(), ids=REPLACED)
def test_a_worker_that_takes_its_own_folder_away_has_failed(run, code, tmp_path):
    (result,), _ = run(code, timeout_s=20.0)
    assert result["status"] == "failed"
    files.remove(tmp_path / "task0")
    assert not (tmp_path / "task0").exists()


def test_what_goes_wrong_in_waiting_is_raised(run, monkeypatch):
    def fails(*_):
        raise RuntimeError("not in waiting")

    monkeypatch.setattr(executors._Worker, "wait", fails)
    with pytest.raises(RuntimeError, match="not in waiting"):
        run("done()")


def test_what_pytorch_compiles_into_its_temporary_folder_serves_the_next(run, monkeypatch, tmp_path):
    """Its compiled headers, which it looks for there; a worker's own temporary folder is gone with it."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    code = (
        "import getpass, tempfile\n"
        "headers = pathlib.Path(tempfile.gettempdir()) / f'torchinductor_{getpass.getuser()}' / 'headers'\n"
        "done(settings={'found': headers.exists()})\n"
        "headers.touch()"
    )
    results, _ = run(code, code, timeout_s=20.0)
    assert [result["settings"]["found"] for result in results] == [False, True]
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["headers"]


def test_its_temporary_files_go_with_it_and_the_compilers_cache_stays(run, monkeypatch):
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    code = (
        "import tempfile; (pathlib.Path(tempfile.mkdtemp()) / 'left').touch()\n"
        "done(settings={'tmp': tempfile.gettempdir(), 'cache': os.environ['TORCHINDUCTOR_CACHE_DIR']})"
    )
    (result,), _ = run(code, timeout_s=20.0)
    assert result["settings"]["tmp"] != tempfile.gettempdir()
    assert not Path(result["settings"]["tmp"]).exists()
    assert Path(result["settings"]["cache"]).parent == Path(tempfile.gettempdir())
