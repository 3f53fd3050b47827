"""What becomes of each row under each protocol, against a plain, slow way of saying so."""

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from protocol_checks import grouped_by, interactions, long_tables, oldest_first

from benchmarks import protocols
from benchmarks.protocols import counts
from benchmarks.protocols.base import Split
from datasets.errors import InputError

checked = settings(deadline=None, max_examples=100)
JUDGED = {"period": "test", "ks": [1, 2], "primary_metric": "recall@2"}
CUT = {"train_until": "1970-01-04", "validation_until": "1970-01-06"}
CUTS = [{}, {"test_until": "1970-01-08"}, {"validation_until": "1970-01-04"}]


def cut(data, **settings):
    protocol = protocols.make({**settings, **JUDGED})
    try:
        split = protocol.split(data)
    except InputError:
        assume(False)
    return split


def told(split):
    """{(period, use, reason): (rows, users, items)}."""
    return {(one.period, one.use, one.reason): (one.rows, one.users, one.items) for one in split.counts}


def counted(fates):
    """The same of [(fate, row)]."""
    made = {}
    for fate, (user, item, *_) in fates:
        made.setdefault(fate, []).append((user, item))
    return {
        fate: (len(rows), len({user for user, _ in rows} - {-1}), len({item for _, item in rows}))
        for fate, rows in made.items()
    }


def period_of(row, settings):
    *_, day, _ = row
    for period, setting in (("train", "train_until"), ("validation", "validation_until"), ("test", "test_until")):
        until = settings.get(setting)
        if until is None or day < int(until[-2:]) - 1:
            return period
    return "later"


def unreachable(fates, trained):
    return [
        ((period, "unreachable", counts.NEVER_TRAINED), row)
        for (period, use, _), row in fates
        if use == "asked" and row[1] not in trained
    ]


@checked
@given(
    rows=long_tables, cuts=st.sampled_from(CUTS), per=st.sampled_from(["user", "session"]),
    unknown_users=st.sampled_from(["drop", "popular"]),
)  # fmt: skip
def test_time_split(rows, cuts, per, unknown_users):
    chosen = {"name": "time-split", **CUT, **cuts, "per": per, "unknown_users": unknown_users}
    split = cut(interactions(rows), **chosen)
    known = {row[0] for row in rows if period_of(row, chosen) == "train"} - {-1}
    fates = []
    for row in rows:
        period = period_of(row, chosen)
        if period == "later":
            fates.append(((period, "dropped", counts.LATER), row))
        elif row[0] in known or (period != "train" and unknown_users == "popular"):
            fates.append(((period, "trains" if period == "train" else "asked", ""), row))
        else:
            fates.append(((period, "dropped", counts.NO_USER if row[0] == -1 else counts.NEWCOMER), row))
    trained = {row[1] for row in rows if period_of(row, chosen) == "train" and row[1] < split.n_items}
    assert told(split) == counted([*fates, *unreachable(fates, trained)])


@checked
@given(rows=long_tables, cuts=st.sampled_from(CUTS), per=st.sampled_from(["user", "session"]), ask_first=st.booleans())
def test_next_item(rows, cuts, per, ask_first):
    chosen = {"name": "next-item", **CUT, **cuts, "per": per, "ask_first": ask_first}
    split = cut(interactions(rows), **chosen)
    whose = 0 if per == "user" else 3
    fates = []
    for period in ("train", "validation", "test", "later"):
        of_period = [row for row in rows if period_of(row, chosen) == period]
        if period == "later":
            fates += [((period, "dropped", counts.LATER), row) for row in of_period]
            continue
        fates += [((period, "dropped", counts.NO_USER), row) for row in of_period if row[whose] == -1]
        for sequence in grouped_by(oldest_first(of_period), whose).values():
            if period == "train":
                fates += [((period, "trains", ""), row) for row in sequence]
                continue
            first, *others = sequence
            fate = (period, "asked", "")
            if not ask_first:
                fate = (period, "history", counts.FIRST) if others else (period, "dropped", counts.ALONE)
            fates.append((fate, first))
            fates += [((period, "asked", ""), row) for row in others]
    trained = {row[1] for row in rows if period_of(row, chosen) == "train"}
    assert told(split) == counted([*fates, *unreachable(fates, trained)])


@checked
@given(rows=long_tables, k=st.integers(1, 2), min_items=st.integers(5, 7))
def test_leave_k_out(rows, k, min_items):
    split = cut(interactions(rows), name="leave-k-out", k=k, min_items=min_items)
    fates = held_out(rows, min_items, lambda n: n - k)
    assert told(split) == counted([*fates, *unreachable(fates, {row[1] for fate, row in fates if fate[1] == "trains"})])


@checked
@given(rows=long_tables, min_items=st.integers(5, 7))
def test_sequence_split(rows, min_items):
    split = cut(interactions(rows), name="sequence-split", min_items=min_items)
    fates = held_out(rows, min_items, lambda n: int(0.8 * n))
    assert told(split) == counted([*fates, *unreachable(fates, {row[1] for fate, row in fates if fate[1] == "trains"})])


def held_out(rows, min_items, before):
    fates = too_short(rows, min_items)
    for sequence in grouped_by(oldest_first(rows), 0).values():
        if len(sequence) >= min_items:
            first = before(len(sequence))
            second = before(first)
            fates += [(("train", "trains", ""), row) for row in sequence[:second]]
            fates += [(("validation", "asked", ""), row) for row in sequence[second:first]]
            fates += [(("test", "asked", ""), row) for row in sequence[first:]]
    return fates


def too_short(rows, min_items):
    fates = [(("whole", "dropped", counts.NO_USER), row) for row in rows if row[0] == -1]
    for sequence in grouped_by(rows, 0).values():
        if len(sequence) < min_items:
            fates += [(("whole", "dropped", f"user with fewer than {min_items} rows"), row) for row in sequence]
    return fates


@checked
@given(rows=long_tables, min_items=st.integers(2, 4))
def test_user_split(rows, min_items):
    data = interactions(rows)
    protocol = protocols.make({"name": "user-split", "min_items": min_items, "shares": [0.4, 0.3, 0.3], **JUDGED})
    try:
        split = protocol.split(data)
    except InputError:
        assume(False)
    part = dict.fromkeys(protocol.users(data).tolist(), "train") | dict.fromkeys(
        protocol.newcomers(data).tolist(), "test"
    )
    fates = too_short(rows, min_items)
    for user, sequence in grouped_by(oldest_first(rows), 0).items():
        if len(sequence) < min_items:
            continue
        period, first = part.get(user, "validation"), int(0.8 * len(sequence))
        if period == "train":
            fates += [((period, "trains", ""), row) for row in sequence]
            continue
        fates += [((period, "history", "first part of its sequence"), row) for row in sequence[:first]]
        fates += [((period, "asked", ""), row) for row in sequence[first:]]
    assert told(split) == counted([*fates, *unreachable(fates, {row[1] for fate, row in fates if fate[1] == "trains"})])


@checked
@given(
    rows=long_tables,
    chosen=st.sampled_from(
        [
            {"name": "time-split", **CUT, "per": "user", "unknown_users": "drop"},
            {"name": "next-item", **CUT, "per": "session", "ask_first": False},
            {"name": "leave-k-out", "k": 1},
            {"name": "user-split", "shares": [0.4, 0.3, 0.3]},
        ]
    ),
)
def test_every_row_is_counted_once_and_what_is_asked_is_what_the_questions_hold(rows, chosen):
    split = cut(interactions(rows), **chosen)
    assert sum(one.rows for one in split.counts if one.use != "unreachable") == len(rows)
    for period, queries in split.periods.items():
        assert counts.n_rows(split.counts, period, "asked") == len(queries.items)
    assert counts.n_rows(split.counts, "train", "trains") == len(split.sequence_items)


def test_they_are_kept_with_the_split(tmp_path):
    rows = [(user, item, item, "a") for user in range(3) for item in range(7)]
    split = cut(interactions(rows), name="leave-k-out", k=1)
    split.save(tmp_path / "split")
    assert Split.load(tmp_path / "split").counts == split.counts != ()
