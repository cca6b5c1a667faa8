"""UserStore: users, their changes, and their logins, in a file and in memory alike."""

from __future__ import annotations

import logging
import pathlib
import pickle
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from members import CHEAP, basic, filled, logs_in, names, opened, patiently, refused
from support import our_threads
from test_logins import BROKEN

from minimon import ConfigError
from minimon.api.accounts import User
from minimon.api.logins import FREE, FRESH, LASTS, MOST
from minimon.api.passwords import Passwords
from minimon.api.users import UserStore
from minimon.errors import LastAdminError, StoreBusyError, TakenError, UnknownUserError
from minimon.testing import FakeClock

ODD_NAMES = ["a b", "Jürgen", "a%2Fb", "日本", "'; DROP TABLE users; --", "a" * 128]


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> UserStore:
    """With an admin, root, and a viewer, ann."""
    if request.param == "file":
        return filled(tmp_path / "users.db", "ann")
    store = opened()
    store.change("admin", username="root", password="secret", fullname="Root")
    store.add("ann", "secret", "Full ann")
    return store


# --- users


def test_a_store_in_memory_begins_with_an_admin() -> None:
    """Its password is random, and there to be told."""
    store = opened()
    assert (True, ("admin",), True) == (
        logs_in(store, "admin", store.initial_password or ""),
        tuple(names(store)),
        store.get("admin").admin,
    )


def test_no_thread_is_left_of_a_constructor() -> None:
    """Though a hash is made there, at its real cost."""
    made = UserStore()
    assert ("admin", []) == (made.list()[0].username, our_threads())


def test_no_two_first_passwords_are_alike() -> None:
    """And they are long."""
    first, second = opened().initial_password, opened().initial_password
    assert first != second and len(first or "") == 24


def test_a_file_begins_with_nobody(tmp_path: pathlib.Path) -> None:
    """Who may write it makes the first admin."""
    store = opened(tmp_path / "users.db")
    assert ((), None) == (store.list(), store.initial_password)


def test_users_are_listed_as_they_were_added(store: UserStore) -> None:
    """Without their passwords; a change keeps the place."""
    store.add("bob", "secret", "Bob")
    store.change("ann", username="zoe", fullname="Zoe")
    expected = (User("root", "Root", True), User("zoe", "Zoe", False), User("bob", "Bob", False))
    assert expected == store.list()


def test_one_user_is_had_by_name(store: UserStore) -> None:
    """As a value."""
    assert User("ann", "Full ann", False) == store.get("ann")


@pytest.mark.parametrize("name", ["bob", "Ann", "", "a/b", "\ud800", "x" * 10_000, None])
@pytest.mark.parametrize("method", ["get", "remove", "change"])
def test_who_is_not_there_is_unknown(store: UserStore, method: str, name: Any) -> None:
    """Whatever the name."""
    assert UnknownUserError is refused(lambda: getattr(store, method)(name))[0]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_may_be_odd(store: UserStore, name: str) -> None:
    """It is added, listed, logs in, is changed and removed."""
    store.add(name, "secret", name)
    told = [name in names(store), logs_in(store, name), store.change(name, admin=True).username == name]
    store.remove(name)
    assert ([True] * 3, False) == (told, name in names(store))


def test_a_name_is_found_however_it_is_written(store: UserStore) -> None:
    """An ü may be one character, or two."""
    store.add("Ju\u0308rgen", "süß", "J")
    assert (True, "J\u00fcrgen") == (logs_in(store, "J\u00fcrgen", "su\u0308ß"), store.get("Ju\u0308rgen").username)


def test_a_name_that_is_taken_is_refused(store: UserStore) -> None:
    """Nothing is changed."""
    assert (TakenError, "a user is named 'ann' already; take another name, or change that user") == refused(
        lambda: store.add("ann", "other", "Other")
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"username": "a:b"}, "username must have no colon"),
        ({"password": ""}, "password must not be empty"),
        ({"fullname": "\0"}, "fullname must have no control characters"),
        ({"admin": "false"}, "admin must be true or false"),
    ],
)
def test_bad_values_are_refused(store: UserStore, values: dict[str, Any], message: str) -> None:
    """By each method alike, and nothing is changed."""
    whole = {"username": "bob", "password": "secret", "fullname": "Bob", "admin": False, **values}
    before = store.list()
    calls = [
        lambda: store.add(whole["username"], whole["password"], whole["fullname"], whole["admin"]),
        lambda: store.replace("ann", **whole),
        lambda: store.replace("bob", **whole),
        lambda: store.change("ann", **values),
    ]
    told = [refused(call) for call in calls]
    assert ([ConfigError] * 4, True, before) == (
        [each for each, _ in told],
        all(text.startswith(message) for _, text in told),
        store.list(),
    )


# --- PUT, PATCH, DELETE


def test_who_is_there_is_replaced(store: UserStore) -> None:
    """And may be renamed; the new login is valid at once, the old one is not."""
    logs_in(store, "ann")
    told = store.replace("ann", username="eve", password="other", fullname="Eve", admin=True)
    expected = ((User("eve", "Eve", True), False), [False, False, True])
    assert expected == (told, [logs_in(store, "ann"), logs_in(store, "eve"), logs_in(store, "eve", "other")])


def test_who_is_not_there_is_made(store: UserStore) -> None:
    """Under the name of the path."""
    assert (User("bob", "Bob", False), True) == store.replace("bob", username="bob", password="x", fullname="Bob")


def test_who_is_not_there_is_not_renamed(store: UserStore) -> None:
    """A name that differs from that of the path is for users that are there."""
    call = store.replace
    assert (UnknownUserError, "no user is named 'bob'") == refused(
        lambda: call("bob", username="eve", password="x", fullname="Eve")
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, User("ann", "Full ann", False)),
        ({"fullname": "Ann"}, User("ann", "Ann", False)),
        ({"admin": True}, User("ann", "Full ann", True)),
        ({"username": "eve"}, User("eve", "Full ann", False)),
        ({"username": "ann", "admin": False}, User("ann", "Full ann", False)),
    ],
)
def test_what_is_given_is_changed(store: UserStore, change: dict[str, Any], expected: User) -> None:
    """The rest stays, the password too."""
    told = store.change("ann", **change)
    assert (expected, expected, True) == (told, store.get(expected.username), logs_in(store, expected.username))


def test_a_clash_of_names_changes_nothing(store: UserStore) -> None:
    """Nobody takes the name of another user."""
    before = store.list()
    put = {"username": "root", "password": "x", "fullname": "X"}
    told = [refused(lambda: store.change("ann", username="root"))[0], refused(lambda: store.replace("ann", **put))[0]]
    assert ([TakenError, TakenError], before, True) == (told, store.list(), logs_in(store, "root"))


def test_the_last_admin_stays(store: UserStore) -> None:
    """It can be neither removed nor demoted, in whatever way."""
    put = {"username": "eve", "password": "x", "fullname": "X"}
    calls = [
        lambda: store.remove("root"),
        lambda: store.change("root", admin=False),
        lambda: store.replace("root", **put),
    ]
    expected = (LastAdminError, "'root' is the last admin; make another user an admin first")
    assert ([expected] * 3, True) == ([refused(call) for call in calls], logs_in(store, "root"))


def test_of_two_admins_one_may_go(store: UserStore) -> None:
    """Then the other one is the last."""
    store.change("ann", admin=True)
    store.remove("root")
    assert (LastAdminError, ["ann"]) == (refused(lambda: store.remove("ann"))[0], names(store))


def test_two_admins_do_not_remove_each_other(store: UserStore) -> None:
    """At the same time: one is left."""
    store.change("ann", admin=True)
    both = threading.Barrier(2)
    told: list[str] = []

    def remove(name: str) -> None:
        both.wait(10.0)
        try:
            store.remove(name)
        except LastAdminError:
            told.append(name)

    threads = [threading.Thread(target=remove, args=(name,)) for name in ("root", "ann")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10.0)
    assert told == names(store)


def test_many_threads_add_users(store: UserStore) -> None:
    """Nobody is lost."""

    def add(first: int) -> None:
        for number in range(first, first + 5):
            patiently(partial(store.add, f"user {number}", "secret", "User"))

    threads = [threading.Thread(target=add, args=(5 * number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20.0)
    assert {f"user {number}" for number in range(40)} == {*names(store)} - {"root", "ann"}


# --- logins


def test_who_it_is_is_told(store: UserStore) -> None:
    """With the role."""
    told = [store.authenticate("basic", basic(name, "secret")) for name in ("root", "ann")]
    assert [store.get("root"), store.get("ann")] == told


def test_a_wrong_login_is_nobodys(store: UserStore) -> None:
    """Neither another password nor another name is known."""
    assert [False] * 3 == [logs_in(store, *each) for each in (("ann", "other"), ("eve", "secret"), ("Ann", "secret"))]


@pytest.mark.parametrize("credentials", BROKEN.values(), ids=BROKEN)
def test_broken_credentials_are_wrong(store: UserStore, credentials: str) -> None:
    """They are no error, and nobody has to wait for them."""
    assert (None, 0.0) == (store.authenticate("basic", credentials), store.delay("basic", credentials, "10.0.0.1"))


def test_a_bearer_is_nobody(store: UserStore) -> None:
    """Also one that has the credentials of a login."""
    logs_in(store, "ann")
    assert None is store.authenticate("bearer", basic("ann", "secret"))


def test_the_challenge_is_that_of_old(store: UserStore) -> None:
    """Clients have seen it before."""
    assert 'Basic realm="Login Required"' == store.challenge


class Counting(Passwords):
    """Counts the hashes that are made to verify a password."""

    made = 0

    def verify(self, password: str, stored: str, settled: Callable[[], bool] = bool) -> bool:
        return super().verify(password, stored, lambda: settled() or self._count())

    def _count(self) -> bool:
        self.made += 1
        return False


class Counted(UserStore):
    """A store with a viewer, ann, that counts its hashes."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(cost=CHEAP, clock=clock)
        self._passwords = self.counting = Counting(CHEAP)
        self.add("ann", "secret", "Ann")

    @property
    def hashes(self) -> int:
        return self.counting.made


def hashes(*calls: Any) -> list[int]:
    """How many hashes each of these calls takes."""
    clock = FakeClock()
    store, taken = Counted(clock), []
    for call in calls:
        before = store.hashes
        call(store, clock)
        taken.append(store.hashes - before)
    return taken


def login(store: UserStore, clock: FakeClock) -> None:
    assert logs_in(store, "ann")


def test_a_login_is_verified_once_a_minute() -> None:
    """A hash takes 60 ms."""
    assert [1, 0, 0, 1] == hashes(
        login, login, lambda store, clock: clock.advance(LASTS - 0.1) or login(store, clock),
        lambda store, clock: clock.advance(0.1) or login(store, clock),
    )  # fmt: skip


def test_a_clock_that_is_set_changes_nothing() -> None:
    """What was right is so for a minute by a clock that never jumps."""
    assert [1, 0, 0] == hashes(
        login, lambda store, clock: clock.jump_wall(1e9) or login(store, clock),
        lambda store, clock: clock.jump_wall(-2e9) or login(store, clock),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["ann", "nobody"])
def test_a_wrong_login_costs_a_hash(name: str) -> None:
    """Who is unknown costs as much as who is not."""
    assert [1, 1] == hashes(*[lambda store, clock: logs_in(store, name, "wrong")] * 2)


def test_a_change_of_another_user_costs_nothing() -> None:
    """Only who was changed logs in anew."""
    assert [1, 0, 0, 1] == hashes(
        login, lambda store, clock: store.add("bob", "x", "Bob"), login,
        lambda store, clock: store.change("ann", fullname="Other") and login(store, clock),
    )  # fmt: skip


def test_many_that_log_in_at_once_take_few_hashes() -> None:
    """The same credentials are verified by those whose turn it is; the others see that it is done."""
    store = Counted(FakeClock())
    threads = [threading.Thread(target=login, args=(store, None)) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10.0)
    assert 1 <= store.hashes <= 2


@pytest.mark.parametrize(("later", "expected"), [(FRESH - 0.1, User("ann", "Ann", False)), (FRESH, None)])
def test_who_it_was_is_recalled_for_a_moment(later: float, expected: User | None) -> None:
    """Without the file, in which it may be another one by then."""
    clock = FakeClock()
    store = Counted(clock)
    login(store, clock)
    clock.advance(later)
    assert expected == store.recall("basic", basic("ann", "secret"))


def test_who_was_changed_is_not_recalled() -> None:
    """The role may be another one."""
    store = Counted(FakeClock())
    logs_in(store, "ann")
    store.change("ann", admin=True)
    assert None is store.recall("basic", basic("ann", "secret"))


@pytest.mark.parametrize(("scheme", "password"), [("basic", "wrong"), ("bearer", "secret")])
def test_nobody_else_is_recalled(scheme: str, password: str) -> None:
    """A login is remembered by all of it."""
    store = Counted(FakeClock())
    logs_in(store, "ann")
    assert None is store.recall(scheme, basic("ann", password))


@pytest.mark.parametrize(
    "change",
    [
        lambda store: store.change("ann", password="other"),
        lambda store: store.change("ann", username="eve"),
        lambda store: store.remove("ann"),
        lambda store: store.replace("ann", username="ann", password="other", fullname="Ann"),
    ],
    ids=["password", "name", "removed", "replaced"],
)
def test_a_changed_login_is_wrong_at_once(store: UserStore, change: Any) -> None:
    """However often it was right before."""
    logs_in(store, "ann")
    change(store)
    assert not logs_in(store, "ann")


def test_another_role_is_told_at_once(store: UserStore) -> None:
    """The next request has it."""
    logs_in(store, "ann")
    store.change("ann", admin=True)
    user = store.authenticate("basic", basic("ann", "secret"))
    assert user is not None and user.admin


def test_a_cheap_hash_is_made_anew_at_a_login(tmp_path: pathlib.Path) -> None:
    """Of that user alone; the login goes on."""
    filled(tmp_path / "users.db", "ann")
    store = opened(tmp_path / "users.db", cost=2 * CHEAP)
    told = [logs_in(store, "ann"), logs_in(store, "ann")]
    with store._table.reading() as rows:
        costs = [row.password.split("$")[1] for row in rows.all()]
    assert ([True, True], ["16", "32"]) == (told, costs)


def test_a_damaged_hash_is_told_of(store: UserStore, caplog: pytest.LogCaptureFixture) -> None:
    """That user cannot log in, all others can; nothing secret is written."""
    with store._table.writing() as rows:
        row = rows.find("ann")
        assert row is not None
        rows.update("ann", row._replace(password="scrypt$hush"))
    told = [logs_in(store, "ann"), logs_in(store, "root")]
    expected = "user 'ann' cannot log in: the stored hash of the password cannot be understood; set the password anew"
    assert ([False, True], [expected]) == (told, caplog.messages)


# --- who has failed


def guess(store: UserStore, times: int, name: str = "ann") -> None:
    for number in range(times):
        logs_in(store, name, f"wrong {number}")


@pytest.mark.parametrize("name", ["ann", "nobody"])
def test_after_ten_failures_a_name_waits(store: UserStore, name: str) -> None:
    """Whether anybody has it or not."""
    guess(store, FREE - 1, name)
    before = store.throttled(name)
    guess(store, 1, name)
    assert (0.0, 60.0, 0.0) == (before, store.throttled(name), store.throttled("root"))


def test_who_waits_learns_nothing(store: UserStore) -> None:
    """The right password is not told from a wrong one, by whoever does not ask how long to wait."""
    guess(store, FREE)
    assert not logs_in(store, "ann")


def test_after_a_minute_it_may_be_tried_again() -> None:
    """By the clock that never jumps."""
    clock = FakeClock()
    store = opened(clock=clock)
    guess(store, FREE, "admin")
    clock.jump_wall(1e6)
    before = store.throttled("admin")
    clock.advance(60.0)
    assert (60.0, 0.0, True) == (
        before,
        store.throttled("admin"),
        logs_in(store, "admin", store.initial_password or ""),
    )


def test_a_login_that_was_right_never_waits(store: UserStore) -> None:
    """Somebody else may guess under that name, and from that address."""
    logs_in(store, "ann")
    guess(store, FREE)
    for _ in range(FREE):
        store.note("10.0.0.1")
    known, other = basic("ann", "secret"), basic("ann", "other")
    told = [store.delay("basic", each, "10.0.0.1") for each in (known, other)]
    assert ([0.0, 60.0], True) == (told, logs_in(store, "ann"))


def test_an_address_waits_for_itself(store: UserStore) -> None:
    """Its failures are those that the server has seen."""
    for _ in range(FREE):
        store.note("10.0.0.1")
    asked = basic("bob", "secret")
    assert [60.0, 0.0, 60.0] == [
        store.delay("basic", asked, "10.0.0.1"),
        store.delay("basic", asked, "10.0.0.2"),
        store.delay("basic", "!", "10.0.0.1"),
    ]


def test_ten_thousand_wrong_logins_take_no_memory() -> None:
    """Of names and addresses a thousand are remembered."""
    store = opened(cost=2)
    for number in range(10_000):
        store.note(f"10.0.{number}")
        logs_in(store, f"user {number}", "wrong")
    assert (MOST, MOST) == (len(store._by_name._times), len(store._by_address._times))


def test_that_a_name_waits_is_told_once(store: UserStore, caplog: pytest.LogCaptureFixture) -> None:
    """In one line, whatever the name, without the password."""
    guess(store, 3 * FREE, "eve <b>")
    expected = "user 'eve <b>': too many wrong passwords; the next may be tried in a minute"
    assert [("minimon.users", logging.WARNING, expected)] == caplog.record_tuples


# --- what it shows


def test_no_password_is_shown(store: UserStore) -> None:
    """Neither in its repr nor in that of a user."""
    logs_in(store, "ann")
    shown = f"{store!r} {store.list()!r} {store.authenticate('basic', basic('ann', 'secret'))!r}"
    assert [] == [word for word in ("secret", "scrypt", str(store.initial_password)) if word in shown]


def test_errors_travel_between_processes() -> None:
    """With what they carry."""
    came = pickle.loads(pickle.dumps(StoreBusyError("it is locked", 10.0)))
    assert ("it is locked", 10.0) == (str(came), came.retry_after)
