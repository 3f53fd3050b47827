import gzip
import json
import subprocess
import sys
import threading

import msgspec
import pytest
from record_lines import line, record

from benchmarks.harness import store
from datasets.errors import InputError

HOLD = """
import fcntl, pathlib, sys
file = (pathlib.Path(sys.argv[1]) / ".lock").open("w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / store.FILE_NAME


class TestRoundTrip:
    def test_what_is_appended_is_read(self, tmp_path):
        made = [record(cell) for cell in range(3)]
        store.append(tmp_path, made[:2])
        store.append(tmp_path, made[2:])
        assert store.read(tmp_path) == made

    def test_a_record_is_one_line_with_its_names_in_order(self, tmp_path, path):
        store.append(tmp_path, [record(0), record(1, notes=["two\nlines"])])
        lines = path.read_bytes().split(b"\n")
        assert len(lines) == 3
        assert lines[-1] == b""
        assert [list(json.loads(text)) for text in lines[:2]] == [sorted(line())] * 2

    def test_the_last_record_of_a_cell_counts_in_its_own_place_whatever_the_clock_said(self, tmp_path):
        store.append(tmp_path, [record(0, run_id="20300101T000000-1"), record(1)])
        store.append(tmp_path, [record(0, status="failed", reason="it broke")])
        store.append(tmp_path, [record(0, run_id="19700101T000000-1", metrics={"recall@5": 0.7})])
        first, second = store.read(tmp_path)
        assert (second.metrics, second.status, first.cell) == ({"recall@5": 0.7}, "ok", f"{1:016x}")

    def test_no_file_says_how_to_make_one(self, tmp_path):
        with pytest.raises(
            InputError, match=f"there are no records at {tmp_path}.*benchmarks run --results {tmp_path}"
        ):
            store.read(tmp_path)

    def test_an_empty_file_has_no_records(self, tmp_path, path):
        path.touch()
        assert store.read(tmp_path) == []


class TestValidity:
    def test_a_line_that_does_not_fit_is_named_with_its_field(self, tmp_path, path):
        lines = [json.dumps(line(0)), json.dumps(line(1, metrics={"recall@5": "0.5"})), json.dumps(line(2))]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        said = (
            r"records\.jsonl, line 2 is not a record of this version \(metrics.recall@5 is '0.5', expected a number, "
            r"got text\); move the file away, or mend or delete the line\.$"
        )
        with pytest.raises(InputError, match=said):
            store.read(tmp_path)

    @pytest.mark.parametrize("damaged", [b"", b"{", b"null", b"\xff\xfe", b'{"a": 1', b"5"])
    def test_a_line_that_is_no_json_object_is_named(self, damaged, tmp_path, path):
        store.append(tmp_path, [record(0)])
        path.write_bytes(path.read_bytes() + damaged + b"\n" + path.read_bytes())
        with pytest.raises(InputError, match="line 2 is not a record"):
            store.read(tmp_path)

    @pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
    def test_what_is_no_number_is_neither_written_nor_read(self, number, tmp_path, path):
        wrong = msgspec.structs.replace(record(1), metrics={"recall@5": number})
        with pytest.raises(ValueError, match=rf"^metrics\.recall@5 is {number}, expected a finite number$"):
            store.append(tmp_path, [record(0), wrong])
        assert not path.exists()
        path.write_text(json.dumps(line(1, metrics={"recall@5": number})) + "\n", encoding="utf-8")
        with pytest.raises(InputError, match="line 1 is not a record"):
            store.read(tmp_path)

    def test_lines_of_version_1_stand_beside_those_of_this_one(self, tmp_path, path):
        older = {"schema_version": 1, "index": None, "rungs": [], "group": None}
        path.write_text("".join(json.dumps(line(cell, **older)) + "\n" for cell in range(2)), encoding="utf-8")
        store.append(tmp_path, [record(2)])
        assert store.read(tmp_path) == [record(0), record(1), record(2)]


class TestCompressed:
    @pytest.fixture
    def packed(self, tmp_path):
        store.append(tmp_path, [record(cell) for cell in range(3)])
        packed = tmp_path / store.COMPRESSED
        packed.write_bytes(gzip.compress((tmp_path / store.FILE_NAME).read_bytes(), mtime=0))
        (tmp_path / store.FILE_NAME).unlink()
        return packed

    def test_it_is_read_like_the_other(self, tmp_path, packed):
        assert store.read(tmp_path) == [record(cell) for cell in range(3)]
        assert store.file_of(tmp_path) == packed
        assert store.folders(tmp_path) == [tmp_path]
        assert tmp_path in store.folders(tmp_path.parent)

    @pytest.mark.usefixtures("packed")
    def test_a_folder_with_both_is_refused(self, tmp_path):
        (tmp_path / store.FILE_NAME).write_bytes(b"")
        for asked in (store.read, store.file_of):
            with pytest.raises(InputError, match=r"holds records.jsonl and records.jsonl.gz, expected one of them"):
                asked(tmp_path)

    def test_a_run_does_not_add_to_it_and_says_how_to_unpack_it(self, tmp_path, packed):
        with pytest.raises(InputError, match=f"unpack them with `gunzip {packed}`"), store.locked(tmp_path):
            pass

    @pytest.mark.parametrize("damage", ["short", "sum", "foreign"])
    def test_a_damaged_one_is_named(self, tmp_path, packed, damage):
        whole = packed.read_bytes()
        wrong_sum = whole[:-8] + b"0000" + whole[-4:]
        packed.write_bytes({"short": whole[:-20], "sum": wrong_sum, "foreign": b"{}"}[damage])
        with pytest.raises(InputError, match=r"records.jsonl.gz is no whole file of gzip"):
            store.read(tmp_path)

    def test_lines_in_it_are_named_too(self, tmp_path, packed):
        packed.write_bytes(gzip.compress(store.as_line(record(0)) + b"{}\n"))
        with pytest.raises(InputError, match=r"records.jsonl.gz, line 2 is not a record"):
            store.read(tmp_path)


class TestTornLines:
    @pytest.mark.parametrize("torn", [b"{", b'{"cell": "00', json.dumps(line(5)).encode()[:-1], b"\xc3"])
    def test_a_last_line_that_breaks_off_is_passed_over(self, torn, tmp_path, path):
        store.append(tmp_path, [record(0), record(1)])
        path.write_bytes(path.read_bytes() + torn)
        assert store.read(tmp_path) == [record(0), record(1)]

    def test_a_last_record_that_only_lacks_its_end_is_whole_and_stays(self, tmp_path, path):
        path.write_bytes(store.as_line(record(0)) + store.as_line(record(1)).rstrip())
        assert store.read(tmp_path) == [record(0), record(1)]
        store.append(tmp_path, [record(2)])
        assert path.read_bytes() == b"".join(store.as_line(record(cell)) for cell in range(3))

    def test_a_last_line_of_another_version_is_refused_and_not_deleted(self, tmp_path, path):
        path.write_bytes(json.dumps(line(0, schema_version=9)).encode())
        with pytest.raises(InputError, match="line 1 is not a record of this version"):
            store.read(tmp_path)
        store.append(tmp_path, [record(2)])
        assert path.read_bytes().startswith(json.dumps(line(0, schema_version=9)).encode() + b"\n")

    @pytest.mark.parametrize("torn", [b"{", json.dumps(line(5)).encode()[:-1], b"x" * 200_000])
    def test_the_next_record_takes_its_place(self, torn, tmp_path, path):
        store.append(tmp_path, [record(0), record(1)])
        whole = path.read_bytes()
        path.write_bytes(whole + torn)
        store.append(tmp_path, [record(2)])
        assert path.read_bytes().startswith(whole)
        assert store.read(tmp_path) == [record(0), record(1), record(2)]

    def test_a_file_that_is_one_torn_line(self, tmp_path, path):
        path.write_bytes(b'{"cell')
        assert store.read(tmp_path) == []
        store.append(tmp_path, [record(2)])
        assert store.read(tmp_path) == [record(2)]

    def test_wherever_a_run_is_killed_all_records_before_stay(self, tmp_path, path):
        store.append(tmp_path, [record(0), record(1)])
        whole = path.read_bytes()
        end_of_first = whole.index(b"\n") + 1
        for length in {0, 1, end_of_first - 1, end_of_first, end_of_first + 1, len(whole) - 1, len(whole)}:
            path.write_bytes(whole[:length])
            n_whole = whole[: length + 1].count(b"\n")  # a record is whole when all of it but its end is there
            assert store.read(tmp_path) == [record(0), record(1)][:n_whole]

    def test_a_reader_beside_a_writer_sees_whole_records_only(self, tmp_path):
        store.append(tmp_path, [record(0)])
        done = threading.Event()

        def write():
            for cell in range(1, 41):
                store.append(tmp_path, [record(cell), record(cell + 100)])
            done.set()

        writer = threading.Thread(target=write)
        writer.start()
        seen = []
        while not done.is_set():
            seen.append(len(store.read(tmp_path)))
        writer.join()
        assert seen == sorted(seen)
        assert len(store.read(tmp_path)) == 81

    def test_what_was_deleted_during_a_run_is_written_again_and_that_is_said(self, tmp_path, path, capsys):
        made = [record(0), record(1), record(2)]
        store.append(tmp_path, made)
        store.restore(tmp_path, made)
        assert capsys.readouterr().err == ""
        path.write_bytes(b"no record\n[]\n" + path.read_bytes().splitlines(keepends=True)[1])
        store.restore(tmp_path, made)
        assert "2 of records.jsonl were deleted during the run" in capsys.readouterr().err
        assert path.read_bytes().startswith(b"no record\n[]\n")
        path.unlink()
        store.restore(tmp_path, made)
        assert store.read(tmp_path) == made


class TestLock:
    def test_a_second_run_is_refused_and_told_why(self, tmp_path):
        with store.locked(tmp_path):
            with pytest.raises(InputError, match=f"another run is writing to {tmp_path}"), store.locked(tmp_path):
                pass
            with store.locked(tmp_path / "other"):
                pass

    def test_it_is_free_again_afterwards_whatever_happened(self, tmp_path):
        with pytest.raises(RuntimeError), store.locked(tmp_path):
            raise RuntimeError
        with store.locked(tmp_path):
            pass

    def test_the_folder_is_made(self, tmp_path):
        with store.locked(tmp_path / "a" / "b"):
            assert (tmp_path / "a" / "b").is_dir()

    def test_a_file_is_no_folder(self, tmp_path):
        (tmp_path / "file").touch()
        for results in (tmp_path / "file", tmp_path / "file" / "below"):
            with pytest.raises(InputError, match=f"{results} cannot be a folder of results"), store.locked(results):
                pass

    def test_a_process_that_is_killed_lets_go(self, tmp_path):
        command = [sys.executable, "-S", "-c", HOLD, str(tmp_path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout.readline() == "held\n"
            with pytest.raises(InputError, match="another run"), store.locked(tmp_path):
                pass
            other.kill()
        with store.locked(tmp_path):
            pass
