"""The command `audit`, on data whose items repeat: what it says, and how it ends."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from protocol_checks import interactions, tables

import datasets
from benchmarks import cli, protocols
from benchmarks.audit import splits
from benchmarks.audit.report import CLEAN, KNOWN_LEAK, LEAK, NOTHING, moment
from benchmarks.protocols import LeaveKOut, NextItem, TimeSplit
from datasets.errors import InputError

FINE, FAILED, WRONG_INPUT, NOTHING_MEASURED = 0, 1, 2, 3
JUDGED = {"period": "test", "ks": (1,), "primary_metric": "recall@1"}
IN_TIME = {**JUDGED, "train_until": 0.8, "validation_until": 0.9}
TIME_SPLIT = TimeSplit(**IN_TIME, per="user", unknown_users="drop")
LEAVE_ONE_OUT = LeaveKOut(**JUDGED, k=1)


class CountsEverything(TimeSplit):
    """The bug that nobody sees in a data set in order of time, unless the catalogue is all of it."""

    def split(self, data):
        split = super().split(data)
        counts = np.bincount(data.item, minlength=split.n_items)[: split.n_items]
        return dataclasses.replace(split, item_counts=counts)


class TellsTheTarget(LeaveKOut):
    """Whose test histories end with the last of what is asked for."""

    def split(self, data):
        split = super().split(data)
        test = split.periods["test"]
        history = test.history.copy()
        history[test.stop - 1] = test.items[test.indptr[1:] - 1]
        return dataclasses.replace(split, periods={**split.periods, "test": dataclasses.replace(test, history=history)})


class SaysSo(TellsTheTarget):
    @property
    def leaks_on_purpose(self):
        return ("test",)


def shop(n_users=8, n_days=15):
    """A row a user and day, in order of time; items repeat."""
    rows = [(user, (user * 3 + day * day) % 11, day) for day in range(n_days) for user in range(n_users)]
    return "\n".join(["user_id,item_id,timestamp", *(f"u{u},i{i},{day * 86_400 + u}" for u, i, day in rows)]) + "\n"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "shop.csv"
    path.write_text(shop(), encoding="utf-8")
    return path


@pytest.fixture
def data(path):
    return datasets.load(f"file:{path}")


@pytest.fixture
def say(capsys):
    """Calls the command; gives its exit code, what it printed and what it complained about."""

    def say(*arguments):
        code = cli.main(["audit", *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return say


@settings(deadline=None, derandomize=True)
@given(tables)
def test_in_the_copy_a_row_is_its_item_and_the_oldest_known_row_the_last(rows):
    data = interactions(rows)
    copy = splits.with_own_items(data)
    assert sorted(copy.item.tolist()) == list(range(len(data))) == list(range(copy.n_items))
    known = [row for row in rows if row[0] != -1]
    if known:
        user, _, day, _ = rows[int(np.argmax(copy.item))]
        assert user != -1
        assert day == min(row[2] for row in known)
    assert all(getattr(copy, name) is getattr(data, name) for name in ("user", "timestamp", "session"))


@pytest.mark.parametrize(
    ("microseconds", "said"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (400_000, "1970-01-01T00:00:00.4Z"),
        (1_000_001, "1970-01-01T00:00:01.000001Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (1_318_118_400_000_000, "2011-10-09T00:00:00Z"),
    ],
)
def test_a_moment_has_a_fraction_only_where_there_is_one(microseconds, said):
    assert moment(np.int64(microseconds)) == said


class TestOfProtocol:
    def test_a_clean_split_says_what_it_was_held_to(self, data):
        report = splits.of_protocol(data, TIME_SPLIT)
        (finding,) = report.findings
        assert (finding.verdict, report.is_clean) == (CLEAN, True)
        assert finding.sentence.startswith("nothing that is asked for, and nothing from 1970-01-13T00:00:00Z on, is in")
        cuts = "train_until=0.8 validation_until=0.9 per=user unknown_users=drop"
        assert report.audited == f"{data.name}, time-split {cuts} test@1 by recall@1"
        assert report.sizes == {
            "training rows": 96,
            "training sequences": 8,
            "validation queries": 8,
            "test queries": 8,
        }
        assert protocols.make(report.protocol) == TIME_SPLIT

    def test_counts_of_all_rows_are_found_though_the_data_are_in_order_of_time(self, data):
        report = splits.of_protocol(data, CountsEverything(**IN_TIME, per="user", unknown_users="drop"))
        assert [(finding.verdict, finding.n) for finding in report.findings] == [(LEAK, 24)]
        assert report.findings[0].sentence == (
            "item counts hold rows that are asked for: 24 of 120 rows, "
            "such as user u7's item i8 of 1970-01-15T00:00:07Z"
        )
        assert not report.is_clean

    def test_two_rows_that_do_not_go_together_are_both_named(self, data):
        report = splits.of_protocol(data, TellsTheTarget(**JUDGED, k=2))
        assert [finding.sentence for finding in report.findings] == [
            "test histories hold rows that are not before what is asked for: 8 of 8 queries, such as "
            "user u0's item i9 of 1970-01-15T00:00:00Z for the target user u0's item i4 of 1970-01-14T00:00:00Z"
        ]

    @pytest.mark.parametrize("per", ["user", "session"])
    def test_a_leak_on_purpose_is_named_and_known(self, data, per):
        data = dataclasses.replace(data, session=data.user)
        report = splits.of_protocol(data, NextItem(**IN_TIME, per=per, leaked=True))
        assert [(finding.verdict, finding.n) for finding in report.findings] == [(CLEAN, 96), (KNOWN_LEAK, 12)]
        assert "histories, those of leaked apart, are" in report.findings[0].sentence
        assert report.findings[1].sentence.startswith("leaked histories hold rows that are not before")
        assert report.is_clean

    def test_what_a_leak_on_purpose_does_not_say_is_a_leak(self, data):
        protocol = NextItem(**IN_TIME, per="user", leaked=True)
        copy = splits.with_own_items(data)
        mixed_up = dataclasses.replace(copy, user=(np.arange(len(data)) % 3).astype(np.int32))  # after they were cut
        wrong = splits.leaks(mixed_up, protocol.split(copy), protocol)
        assert {(leak.what, leak.on_purpose) for leak in wrong if leak.where == "leaked histories"} >= {
            (splits.STRANGERS, False),
            (splits.NOT_BEFORE_TARGETS, True),
        }

    def test_the_reported_period_may_not_leak_on_purpose(self, data):
        assert not splits.of_protocol(data, SaysSo(**JUDGED, k=1)).is_clean
        elsewhere = splits.of_protocol(data, SaysSo(**{**JUDGED, "period": "validation"}, k=1))
        assert KNOWN_LEAK in {finding.verdict for finding in elsewhere.findings}

    def test_rows_of_nobody_are_named_as_such(self, data):
        nobodys = dataclasses.replace(data, user=np.where(np.arange(len(data)) == 119, -1, data.user).astype(np.int32))
        report = splits.of_protocol(nobodys, CountsEverything(**IN_TIME, per="user", unknown_users="popular"))
        assert report.findings[0].sentence.endswith("such as nobody's item i8 of 1970-01-15T00:00:07Z")

    @pytest.mark.parametrize(
        "protocol",
        [
            NextItem(**IN_TIME, per="session"),
            TimeSplit(**IN_TIME, per="session", unknown_users="popular"),
        ],
        ids=["next-item", "time-split"],
    )
    def test_sessions_that_several_users_share_are_a_leak(self, data, protocol):
        """As those are that are numbered anew for each user and read as they stand."""
        own = dataclasses.replace(data, session=data.user)
        assert splits.of_protocol(own, protocol).is_clean
        shared = dataclasses.replace(data, session=(data.user // 4).astype(np.int32))
        report = splits.of_protocol(shared, protocol)
        assert report.is_leaking
        assert (report.findings[0].verdict, report.findings[0].n) == (LEAK, 2)
        assert report.findings[0].sentence == (
            "sessions hold rows of more than one user: 2 of 2 sessions, such as user u0's item i0 of "
            "1970-01-01T00:00:00Z beside user u1's item i3 of 1970-01-01T00:00:01Z"
        )

    def test_one_shared_session_among_many_is_found_and_guests_are_nobody(self, data):
        session, user = data.user.copy(), data.user.copy()
        session[[3, 50]] = 9
        user[4::8] = -1
        shared = dataclasses.replace(data, session=session, user=user)
        report = splits.of_protocol(shared, NextItem(**IN_TIME, per="session"))
        assert [finding.sentence.partition(", such")[0] for finding in report.findings if finding.verdict == LEAK] == [
            "sessions hold rows of more than one user: 1 of 8 sessions"
        ]
        assert not splits.of_protocol(shared, NextItem(**IN_TIME, per="user")).is_leaking

    def test_a_period_that_asks_nothing_is_not_clean(self, data):
        user = np.where(data.user == 7, 0, data.user)
        user[100:] = 7  # who is asked about has no row before
        newcomers = dataclasses.replace(data, user=user.astype(np.int32))
        report = splits.of_protocol(newcomers, TIME_SPLIT)
        assert [finding.verdict for finding in report.findings] == [NOTHING]
        assert report.findings[0].sentence == (
            "no user of the test period has training rows, so there is nothing to ask; move the cuts of the protocol"
        )
        assert (report.is_clean, report.is_leaking) == (False, False)
        leaking = CountsEverything(**IN_TIME, per="user", unknown_users="drop")
        assert splits.of_protocol(newcomers, leaking).is_leaking

    def test_times_are_exact(self, data):
        fine = dataclasses.replace(data, timestamp=np.arange(120) * 100_000 + 1)
        report = splits.of_protocol(fine, CountsEverything(**IN_TIME, per="user", unknown_users="drop"))
        assert report.findings[0].sentence.endswith("such as user u7's item i8 of 1970-01-01T00:00:11.900001Z")

    def test_data_without_times_are_cut_by_what_needs_none(self, data):
        untimed = dataclasses.replace(data, timestamp=None)
        with pytest.raises(InputError, match=r"has no timestamps, which the time split needs.*or take leave-one-out"):
            splits.of_protocol(untimed, TIME_SPLIT)
        assert splits.of_protocol(untimed, LEAVE_ONE_OUT).is_clean
        copy = splits.with_own_items(untimed)
        split = LEAVE_ONE_OUT.split(copy)
        split.sequence_items[:2] = split.sequence_items[[1, 0]]
        (leak,) = splits.leaks(copy, split, LEAVE_ONE_OUT)
        assert leak.what == splits.DISORDER
        assert " in row " in splits._sentence(untimed, leak)


SUITE = """
[[block]]
dataset = "{path}"
models = [{{ model = "popularity" }}]
protocol = {{ name = "time-split", train_until = 0.8, validation_until = 0.9, per = "user", unknown_users = "drop", period = "test", ks = [1], primary_metric = "recall@1" }}

[[block]]
dataset = "{path}"
models = [{{ model = "popularity" }}]
protocol = {{ name = "leave-k-out", k = 1, period = "test", ks = [1], primary_metric = "recall@1" }}

[[block]]
dataset = "{path}"
models = [{{ model = "popularity", settings = {{ variant = "again" }} }}]
protocol = {{ name = "leave-k-out", k = 1, period = "test", ks = [1], primary_metric = "recall@1" }}
"""  # noqa: E501 - TOML's inline tables have no line breaks


@pytest.fixture
def suite(tmp_path, path):
    suite = tmp_path / "own.toml"
    suite.write_text(SUITE.format(path=path), encoding="utf-8")
    return suite


class TestCommand:
    def test_a_data_set_of_ones_own(self, say, path):
        code, out, err = say("--datasets", f"file:{path}")
        assert (code, err) == (FINE, "")
        head, clean, note, searched, hidden, second, *_ = out.splitlines()
        cuts = "train_until=0.8 validation_until=0.9 per=user unknown_users=drop"
        assert head == (
            f"file:{path}, time-split {cuts} test@5,10,20,50 by recall_micro@20: "
            "96 training rows, 8 training sequences, 8 validation queries, 8 test queries"
        )
        assert clean.startswith("  clean: nothing that is asked for")
        assert note.startswith("  note: times are numbers and taken for seconds: 120 of 120 lie before 1980")
        assert searched.endswith("what a search reads: 12 rows of the test period, 8 validation queries")
        assert hidden == "  clean: none of the 12 rows of the test period is in what a search reads"
        assert second.startswith(f"file:{path}, leave-k-out k=1 test@5,10,20,50 by hit_rate@20: ")

    def test_each_block_of_a_suite_once(self, say, suite):
        code, out, _ = say("--suite", suite, "--json")
        reports = [json.loads(line) for line in out.splitlines()]
        assert code == FINE
        assert [report["protocol"]["name"] for report in reports] == ["time-split", "leave-k-out"]
        assert [report["is_clean"] for report in reports] == [True, True]
        assert [finding["verdict"] for report in reports for finding in report["findings"]] == [CLEAN, CLEAN]

    def test_a_leak_ends_with_1_and_the_other_blocks_are_audited_too(self, say, suite, monkeypatch):
        monkeypatch.setitem(protocols.PROTOCOLS, "time-split", CountsEverything)
        code, out, _ = say("--suite", suite)
        lines = out.splitlines()
        assert code == FAILED
        assert lines[1].startswith(
            "  leak: item counts hold rows that are asked for: 24 of 120 rows, such as user u7's"
        )
        assert lines[2].startswith("  note: times")
        assert lines[4].startswith("  clean: ")

    def test_where_there_is_nothing_to_judge_it_ends_with_3(self, say, tmp_path):
        rows = [f"u{n // 100 if n < 80 else n},i{n % 7},{n}" for n in range(100)]
        path = tmp_path / "newcomers.csv"
        path.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n", encoding="utf-8")
        code, out, err = say("--datasets", path)
        assert (code, err) == (NOTHING_MEASURED, "")
        assert out.splitlines()[1].startswith("  nothing to judge: no user of the test period has training rows")
        code, out, _ = say("--datasets", path, "--json")
        assert (code, json.loads(out.splitlines()[0])["is_clean"]) == (NOTHING_MEASURED, False)

    def test_blocks_of_one_protocol_are_told_apart(self, say, path, tmp_path):
        block = SUITE.format(path=path).split("[[block]]")[2]
        others = [("k = 1", "k = 2"), ("ks = [1]", "ks = [1, 2]"), ('period = "test"', 'period = "validation"')]
        blocks = [block, *(block.replace(*changed) for changed in others)]
        (tmp_path / "many.toml").write_text("".join(f"[[block]]{block}" for block in blocks), encoding="utf-8")
        _, out, _ = say("--suite", tmp_path / "many.toml")
        heads = [line.partition(": ")[0].removeprefix(f"{path}, ") for line in out.splitlines() if line[0] != " "]
        assert heads == [
            "leave-k-out k=1 test@1 by recall@1",
            "leave-k-out k=2 test@1 by recall@1",
            "leave-k-out k=1 test@1,2 by recall@1",
            "leave-k-out k=1 validation@1 by recall@1",
        ]

    def test_ones_own_split_files(self, say, tmp_path):
        head, *rows = shop().splitlines()
        for name, part in (
            ("train", rows[:80]),
            ("validation", rows[80:100]),
            ("test", rows[100:]),
            ("rest", rows[79:]),
        ):
            (tmp_path / f"{name}.csv").write_text("\n".join([head, *part]) + "\n", encoding="utf-8")
        files = {f"--{name}": tmp_path / f"{name}.csv" for name in ("train", "validation", "test")}
        code, out, _ = say(*(word for option in files.items() for word in option))
        assert code == FINE
        assert out.splitlines()[0].startswith(f"split files: 80 rows of {files['--train']}, 20 rows of ")
        assert out.splitlines()[1].startswith("  clean: no row stands in two files")
        code, out, _ = say("--train", files["--train"], "--test", tmp_path / "rest.csv", "--json")
        assert code == FAILED
        verdicts = [finding["verdict"] for finding in json.loads(out)["findings"]]
        assert LEAK in verdicts
        assert CLEAN not in verdicts

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--train", "a.csv"], "--train a.csv is no whole split"),
            (["--validation", "a.csv", "--test", "b.csv"], "--validation a.csv --test b.csv is no whole split"),
            (["--train", "a.csv", "--test", "b.csv", "--suite", "quick"], "expected no --suite"),
            (["--train", "a.csv", "--test", "b.csv", "--datasets", "c.csv"], "expected no --suite and no --datasets"),
            (["--train", "{path}", "--test", "{path}.missing"], ".missing does not exist"),
            (["--train", "{path}", "--test", "{bad}"], "bad.csv has no column user_id"),
            (["--datasets", "{bad}"], "bad.csv has no column user_id"),
            (["--suite", "qick"], "unknown suite 'qick'"),
        ],
    )
    def test_wrong_input_ends_with_2_and_one_sentence(self, say, path, tmp_path, arguments, said):
        bad = tmp_path / "bad.csv"
        bad.write_text("who,item_id,timestamp\n1,2,3\n", encoding="utf-8")
        code, out, err = say(*(word.format(path=path, bad=bad) for word in arguments))
        assert (code, out) == (WRONG_INPUT, "")
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert said in err
