"""The error tree: what may be caught as what, what an error says, and how it travels."""

from __future__ import annotations

import errno
import inspect
import pickle
import time

import pytest

from minimon import errors
from minimon.errors import (
    ConfigError,
    LastAdminError,
    LifecycleError,
    MinimonError,
    PortError,
    StoreError,
    TakenError,
    UnknownCheckError,
    UnknownUserError,
    did_you_mean,
)

TREE = {
    ConfigError: ValueError,
    UnknownCheckError: KeyError,
    LifecycleError: RuntimeError,
    UnknownUserError: KeyError,
    TakenError: ValueError,
    LastAdminError: ValueError,
    StoreError: RuntimeError,
    PortError: OSError,
}


@pytest.mark.parametrize(("error", "builtin"), TREE.items())
def test_an_error_is_caught_in_two_ways(error: type[MinimonError], builtin: type[Exception]) -> None:
    """Every error is a MinimonError, and the built-in error that its meaning suggests."""
    assert (error, MinimonError, builtin) == (error, *error.__bases__)


def test_the_root_is_a_plain_exception() -> None:
    """`except MinimonError` does not catch what others raise."""
    assert (Exception,) == MinimonError.__bases__


def test_the_docstring_draws_the_tree() -> None:
    """Each error stands in the module's docstring with the built-in beside it, or the error that it is one of."""
    drawn = [line.replace("│", "").split() for line in (errors.__doc__ or "").splitlines() if "──" in line]
    defined = [each for _, each in inspect.getmembers(errors, inspect.isclass) if each.__module__ == errors.__name__]
    expected = {each.__name__: f"({each.__bases__[-1].__name__})" for each in defined if each is not MinimonError}
    assert expected == {name: builtin for _, name, builtin, *_ in drawn}


def test_an_unknown_check_is_told_as_it_was_written() -> None:
    """KeyError would put quotes around the text, and escape what is in it."""
    assert "no check is named 'a\\b'" == str(UnknownCheckError("no check is named 'a\\b'"))


def test_an_unknown_check_without_a_text_is_empty() -> None:
    """str() of one that was raised bare does not fail."""
    assert "" == str(UnknownCheckError())


def test_a_port_error_keeps_the_number_of_the_system() -> None:
    """`errno` can be looked at as with any OSError."""
    assert errno.EADDRINUSE == PortError(errno.EADDRINUSE, "cannot listen on 127.0.0.1:80").errno


def test_a_port_error_tells_its_text() -> None:
    """The text that was given is in what people read."""
    assert "cannot listen on 127.0.0.1:80" in str(PortError(errno.EACCES, "cannot listen on 127.0.0.1:80"))


@pytest.mark.parametrize("error", [MinimonError, *TREE])
def test_errors_travel_between_processes(error: type[MinimonError]) -> None:
    """What an executor's process raises arrives as it was."""
    sent = error(5, "text") if error is PortError else error("text")
    came = pickle.loads(pickle.dumps(sent))
    assert (type(sent), sent.args, str(sent)) == (type(came), came.args, str(came))


def test_the_nearest_known_word_is_offered() -> None:
    """A slip of the keys gets the word that was meant."""
    assert "did you mean 'timeout'?" == did_you_mean("timeot", ["every", "timeout", "target"])


def test_without_a_near_word_all_are_told() -> None:
    """What resembles nothing gets the whole list, sorted."""
    assert "known are: every, timeout" == did_you_mean("zzz", ["timeout", "every"])


def test_of_many_words_a_few_are_told() -> None:
    """Nobody reads ten thousand."""
    told = did_you_mean("zzz", [f"name-{number:05d}" for number in range(10_000)])
    assert ("known are: name-00000, name-00001", 50, ", ...") == (told[:33], told.count("name"), told[-5:])


def test_of_many_words_those_that_begin_alike_are_nearest() -> None:
    """They are compared first."""
    assert "did you mean 'name-07655'?" == did_you_mean("name-0765", [f"name-{number:05d}" for number in range(7656)])


@pytest.mark.parametrize("length", [60, 200])
def test_a_hint_takes_no_time(length: int) -> None:
    """Of ten thousand long names that differ in little: comparing all of them takes minutes."""
    names = [f"service-{number:05d}-prod-".ljust(length, "x") for number in range(10_000)]
    began = time.thread_time()
    did_you_mean("service-99999-prod-".ljust(length, "x"), names)
    assert time.thread_time() - began < 1.0


@pytest.mark.parametrize("word", [None, 5, ("every",), ""])
def test_a_word_may_be_anything(word: object) -> None:
    """A key that is no text gets a hint as well."""
    assert did_you_mean(word, ["timeout"]).endswith("timeout")
