"""Judging a response, folding results into a state, summing states up: the meaning of every word on the page."""

from __future__ import annotations

import functools
import itertools
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from minimon.checks import Check
from minimon.conditions import Condition
from minimon.evaluate import Standing, Verdict, advance, aggregate, judge, undecided
from minimon.model import CheckState, Fault, Outcome, Response, Result, Status, Streak

OUTCOMES = {"p": Outcome.PASS, "w": Outcome.WARN, "f": Outcome.FAIL, "u": Outcome.UNKNOWN}
REASONS = {"p": "", "w": "condition", "f": "connect", "u": "timeout"}
LETTERS = {Status.UNKNOWN: "?", Status.UP: "U", Status.DEGRADED: "G", Status.DOWN: "D"}


def nothing() -> None:
    """A target that nobody calls."""


def check_with(fall: int = 3, rise: int = 2) -> Check:
    """A check with these thresholds."""
    return Check("queue", nothing, fall=fall, rise=rise)


def results(script: str) -> list[Result]:
    """One result a letter, the n-th at n seconds."""
    made = enumerate(script, 1)
    return [Result("queue", OUTCOMES[letter], REASONS[letter], f"detail {n}", float(n)) for n, letter in made]


@functools.cache
def history(script: str, fall: int = 3, rise: int = 2) -> tuple[CheckState, ...]:
    """The states after each result."""
    check, states = check_with(fall, rise), [CheckState("queue")]
    for result in results(script):
        states.append(advance(check, states[-1], result))
    return tuple(states[1:])


def statuses(script: str, fall: int = 3, rise: int = 2) -> str:
    """One letter a state: ? unknown, U up, G degraded, D down."""
    return "".join(LETTERS[state.status] for state in history(script, fall, rise))


# judging


def judged(response: Response, expect: Any = None, warn_if: Any = None) -> Verdict:
    """The verdict, of conditions as a host writes them."""
    return judge(
        response,
        None if expect is None else Condition(expect, "expect"),
        None if warn_if is None else Condition(warn_if, "warn_if", bad=True),
    )


def raising(response: Response) -> bool:
    """A predicate of a host that fails."""
    raise KeyError("key")


@pytest.mark.parametrize("response", [Response(), Response(value=True), Response(value="x"), Response(value=[0])])
def test_nothing_expected_is_the_targets_own_success(response: Response) -> None:
    """A connection, None and a true value pass."""
    assert (Outcome.PASS, "", "") == judged(response)


@pytest.mark.parametrize("code", [200, 201, 204, 299])
def test_a_2xx_passes(code: int) -> None:
    """Any of them, when nothing was said."""
    assert Outcome.PASS is judged(Response(code)).outcome


@pytest.mark.parametrize(
    ("response", "detail"),
    [
        (Response(199), "status_code: expected 2xx, got 199"),
        (Response(300), "status_code: expected 2xx, got 300"),
        (Response(404, reason_phrase="Not Found"), "status_code: expected 2xx, got 404 Not Found"),
        (Response(999), "status_code: expected 2xx, got 999"),
    ],
)
def test_any_other_code_fails(response: Response, detail: str) -> None:
    """Expected and actual are told, with the phrase of the server."""
    assert (Outcome.FAIL, "status", detail) == judged(response)


@pytest.mark.parametrize("value", [False, 0, "", [], {}])
def test_a_false_value_fails(value: Any) -> None:
    """None is what a function returns that says nothing; anything else that is false says no."""
    assert (Outcome.FAIL, "condition", f"returned {value!r}") == judged(Response(value=value))


@pytest.mark.parametrize(
    "expect", [None, {"status_code": "2xx"}, {"text": ""}, {"latency": {"ge": 0}}, lambda response: True]
)
@pytest.mark.parametrize("kind", ["dns", "connect", "tls", "timeout", "protocol", "truncated", "too_large"])
def test_an_error_never_passes(kind: str, expect: Any) -> None:
    """No green from silence: whatever was expected, no answer is a failure with its own reason."""
    response = Response(200, error=Fault(kind, "why"))
    assert (Outcome.FAIL, kind, "why") == judged(response, expect)


def test_an_error_is_no_warning() -> None:
    """warn_if is not asked where there is nothing to look at."""
    assert Outcome.FAIL is judged(Response(error=Fault("dns")), None, lambda response: True).outcome


def test_what_is_expected_replaces_the_own_success() -> None:
    """A 404 is welcome where it is expected, and a 200 then is not."""
    assert [Outcome.PASS, Outcome.FAIL] == [judged(Response(code), {"status_code": 404}).outcome for code in (404, 200)]


def test_an_unmet_expectation_tells_why() -> None:
    """Reason and text come from the condition."""
    expected = (Outcome.FAIL, "condition", 'text: expected "a", got "b"')
    assert expected == judged(Response(200, "b"), {"text": "a"})


def test_a_warning_holds() -> None:
    """warn_if says what is bad enough to tell; the detail names the time that it took."""
    verdict = judged(Response(200, elapsed=0.6), None, {"latency": {"gt": 0.5}})
    assert (Outcome.WARN, "condition", True) == (*verdict[:2], "0.600 s" in verdict.detail)


def test_a_warning_does_not_hold() -> None:
    """Then it is a pass."""
    assert (Outcome.PASS, "", "") == judged(Response(200, elapsed=0.5), None, {"latency": {"gt": 0.5}})


def test_a_failure_is_no_warning() -> None:
    """What is expected is looked at first."""
    assert Outcome.FAIL is judged(Response(500), None, lambda response: True).outcome


@pytest.mark.parametrize("warn_if", [raising, [{"latency": {"gt": 9}}, raising], [raising, {"latency": {"gt": 9}}]])
def test_a_raising_warning_is_a_failure(warn_if: Any) -> None:
    """Nobody knows whether it would have held, and an error of the host's code is not kept quiet."""
    verdict = judged(Response(200), None, warn_if)
    assert (Outcome.FAIL, "exception", True) == (*verdict[:2], "raised KeyError: 'key'" in verdict.detail)


@pytest.mark.parametrize("letter", "pwfu")
def test_a_harnessed_function_judges_itself(letter: str) -> None:
    """A Result that a callable returns is taken at its word, and expect is not asked."""
    (own,) = results(letter)
    assert (own.outcome, own.reason, own.detail) == judged(Response(value=own), {"status_code": 200}, raising)


# thresholds


@pytest.mark.parametrize(
    ("fall", "rise", "script", "expected"),
    [
        # the first pass ever makes up at once
        (3, 2, "p", "U"),
        (3, 5, "p", "U"),
        (3, 2, "fp", "?U"),
        (3, 2, "ffp", "??U"),
        # first failures stay unknown until fall in a row
        (3, 2, "f", "?"),
        (3, 2, "fff", "??D"),
        (1, 2, "f", "D"),
        (3, 2, "ffpf", "??UU"),
        # an up check turns down after fall failures
        (3, 2, "pff", "UUU"),
        (3, 2, "pfff", "UUUD"),
        (1, 1, "pf", "UD"),
        (3, 2, "pffpff", "UUUUUU"),
        (3, 2, "pffpfff", "UUUUUUD"),
        (2, 2, "pfpff", "UUUUD"),
        # a down one up after rise passes
        (3, 2, "ppfffpp", "UUUUDDU"),
        (3, 2, "pfffp", "UUUDD"),
        (3, 2, "pfffpfp", "UUUDDDD"),
        (3, 2, "pfffpfpp", "UUUDDDDU"),
        (3, 1, "pfffp", "UUUDU"),
        (3, 4, "fffpppp", "??DDDDU"),
        (1, 1, "pfpfpf", "UDUDUD"),
        # down stays down
        (3, 2, "ffffff", "??DDDD"),
        # warnings: degraded after fall of them, and left after rise passes
        (3, 2, "w", "U"),
        (3, 2, "pww", "UUU"),
        (3, 2, "pwww", "UUUG"),
        (3, 2, "www", "UUG"),
        (1, 2, "w", "G"),
        (1, 1, "wp", "GU"),
        (1, 2, "pw", "UG"),
        (3, 2, "pwwpww", "UUUUUU"),
        (3, 2, "pwwwp", "UUUGG"),
        (3, 2, "pwwwpp", "UUUGGU"),
        (3, 2, "pwwwpwp", "UUUGGGG"),
        (3, 2, "pwwwff", "UUUGGG"),
        (3, 2, "pwwwfff", "UUUGGGD"),
        (3, 2, "pwwwfp", "UUUGGG"),
        (3, 2, "pwfwfw", "UUUUUU"),
        (3, 2, "pffwff", "UUUUUU"),
        # a warning is an answer: it counts for rise
        (3, 2, "fffw", "??DD"),
        (3, 2, "fffww", "??DDU"),
        (3, 2, "fffwww", "??DDUG"),
        (3, 2, "fffpw", "??DDU"),
        (3, 2, "fffwp", "??DDU"),
        (1, 3, "fwww", "DDDG"),
        # unknown at once, and what was decided before is not forgotten
        (3, 2, "u", "?"),
        (3, 2, "pu", "U?"),
        (3, 2, "pup", "U?U"),
        (3, 2, "puf", "U??"),
        (3, 2, "puffp", "U???U"),
        (3, 2, "pufff", "U???D"),
        (3, 2, "up", "?U"),
        (3, 2, "uf", "??"),
        (3, 2, "fffu", "??D?"),
        (3, 2, "fffuf", "??D?D"),
        (3, 2, "fffup", "??D??"),
        (3, 2, "fffupp", "??D??U"),
        (3, 2, "fffupf", "??D??D"),
        (3, 2, "fffuwf", "??D??D"),
        (3, 2, "pwwwu", "UUUG?"),
        (3, 2, "pwwwup", "UUUG?G"),
        # unknown breaks what is counted in a row
        (3, 2, "pffuf", "UUU??"),
        (3, 2, "pffufff", "UUU???D"),
        (3, 2, "fffpup", "??DD??"),
        (3, 2, "pwwuw", "UUU?U"),
    ],
)
def test_statuses_follow_the_thresholds(fall: int, rise: int, script: str, expected: str) -> None:
    """One letter a run: pass, warn, fail, unknown; one a status: ? unknown, Up, deGraded, Down."""
    assert expected == statuses(script, fall, rise)


def in_a_row(script: str, letters: str) -> int:
    """How many of these letters the script ends with."""
    return len(script) - len(script.rstrip(letters))


def by_the_book(script: str, fall: int, rise: int) -> str:
    """The same statuses, from the words of the plan: a look at the whole history after each run."""
    shown, decided = "", ""
    for end in range(1, len(script) + 1):
        seen = script[:end]
        if in_a_row(seen, "f") >= fall:
            decided = "D"
        if in_a_row(seen, "pw") >= (rise if decided == "D" else 1) and decided in ("", "D"):
            decided = "U"
        if in_a_row(seen, "p") >= rise and decided == "G":
            decided = "U"
        if in_a_row(seen, "w") >= fall and decided == "U":
            decided = "G"
        was_unknown = shown[-1:] in ("", "?")
        if seen[-1] == "u" or (was_unknown and (seen[-1] == "f") != (decided == "D")):
            shown += "?"
        else:
            shown += decided
    return shown


def scripts(count: int) -> list[tuple[str, int, int]]:
    """(script, fall, rise) at random; a letter is often that of the run before."""
    chance = random.Random(6)
    drawn = []
    for _ in range(count):
        letters = chance.choice(["pf", "pw", "pwf", "pwfu"])
        script = chance.choice(letters)
        while len(script) < 40:
            script += script[-1] if chance.random() < 0.5 else chance.choice(letters)
        drawn.append((script, chance.randint(1, 5), chance.randint(1, 5)))
    return drawn


SCRIPTS = scripts(1_000)


def test_any_history_goes_by_the_book() -> None:
    """Over random histories the fold agrees with a look at the whole of each."""
    wrong = [(*each, statuses(*each), by_the_book(*each)) for each in SCRIPTS if statuses(*each) != by_the_book(*each)]
    assert [] == wrong[:3]


Rule = Callable[[CheckState, CheckState, Check], bool]


def broken(rule: Rule) -> list[str]:
    """The histories in which a step (before, after, check) breaks a rule."""
    found = []
    for script, fall, rise in SCRIPTS:
        states, check = [CheckState("queue"), *history(script, fall, rise)], check_with(fall, rise)
        if not all(rule(before, after, check) for before, after in zip(states, states[1:])):
            found.append(f"{script} {fall} {rise}")
    return found[:3]


def last(state: CheckState) -> Outcome:
    """The outcome of the latest run."""
    assert state.last is not None
    return state.last.outcome


RULES: dict[str, Rule] = {
    "a pass turns nothing down": lambda a, b, check: (
        not (last(b) == "pass" and b.status == "down") or a.status in ("down", "unknown")
    ),
    "only an answer turns up": lambda a, b, check: b.status != "up" or a.status == "up" or last(b) in ("pass", "warn"),
    "only a warning degrades": lambda a, b, check: b.status != "degraded" or a.status != "up" or last(b) == "warn",
    "unknown is unknown at once": lambda a, b, check: last(b) != "unknown" or b.status == "unknown",
    "fall failures are down": lambda a, b, check: b.streak.n < check.fall or last(b) != "fail" or b.status == "down",
    "rise passes are up": lambda a, b, check: b.streak.n < check.rise or last(b) != "pass" or b.status == "up",
    "since moves on a change only": lambda a, b, check: (b.since == a.since) == (b.status == a.status),
    "since is when the run began": lambda a, b, check: b.status == a.status or b.since == (b.last and b.last.when),
    "every run is counted": lambda a, b, check: sum(b.counts) == sum(a.counts) + 1,
    "the streak counts equal outcomes": lambda a, b, check: (
        b.streak == (last(b), a.streak.n + 1 if a.streak.outcome is last(b) else 1)
    ),
    "all but up says why": lambda a, b, check: (b.explanation == "") == (b.status == "up" and last(b) == "pass"),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_is_never_broken(rule: Rule) -> None:
    """What must hold of every step of any history does."""
    assert [] == broken(rule)


# what else a state keeps


def test_since_is_the_start_of_the_run_that_changed_it() -> None:
    """The third failure turned it down, at 4 seconds; what follows leaves that as it is."""
    assert [1.0, 1.0, 1.0, 4.0, 4.0] == [state.since for state in history("pffff")]


def test_outcomes_are_counted() -> None:
    """By their words, since the check was added."""
    assert (3, 1, 2, 1) == history("ppwffup")[-1].counts


def test_reasons_are_counted() -> None:
    """How often each was seen; a pass has none."""
    told = {("warn", "condition", 1), ("fail", "connect", 2), ("unknown", "timeout", 1)}
    assert told == set(history("ppwffup")[-1].reasons)


@pytest.mark.parametrize(
    ("reason", "outcomes"), [("timeout", (Outcome.FAIL, Outcome.UNKNOWN)), ("condition", (Outcome.WARN, Outcome.FAIL))]
)
def test_one_reason_of_two_outcomes_is_counted_apart(reason: str, outcomes: tuple[Outcome, Outcome]) -> None:
    """Exactly, in whatever order they come."""
    state, check = CheckState("queue"), check_with()
    for outcome in (*outcomes, outcomes[1], *outcomes):
        state = advance(check, state, Result("queue", outcome, reason))
    assert ((outcomes[0].value, reason, 2), (outcomes[1].value, reason, 3)) == state.reasons


def test_counts_and_reasons_agree_with_a_tally() -> None:
    """Over a long history."""
    script = "".join(random.Random(7).choices("pwfu", k=1_000))
    state, tally = history(script)[-1], Counter(script)
    told = {("warn", "condition", tally["w"]), ("fail", "connect", tally["f"]), ("unknown", "timeout", tally["u"])}
    assert (tuple(tally[letter] for letter in "pwfu"), told) == (tuple(state.counts), set(state.reasons))


def test_the_streak_counts_the_same_outcome() -> None:
    """Another one begins anew."""
    expected = [("pass", 1), ("pass", 2), ("fail", 1), ("fail", 2), ("unknown", 1), ("pass", 1)]
    assert expected == [(state.streak.outcome, state.streak.n) for state in history("ppffup")]


def test_the_last_result_is_kept() -> None:
    """The whole of it, whatever the outcome."""
    assert results("pwfu") == [state.last for state in history("pwfu")]


@pytest.mark.parametrize("paused", [True, False])
def test_a_result_does_not_resume(paused: bool) -> None:
    """A run that was on its way when the check was paused leaves the pause alone."""
    state = CheckState("queue", paused=paused)
    assert paused is advance(check_with(), state, results("p")[0]).paused


def test_the_state_before_is_as_it_was() -> None:
    """A fold makes a new state: others may hold the old one."""
    before = CheckState("queue", streak=Streak(Outcome.PASS, 1), reasons=(("fail", "dns", 1),))
    copy = before._replace()
    advance(check_with(), before, results("f")[0])
    assert copy == before


@pytest.mark.parametrize(
    ("script", "explanation"),
    [
        ("p", ""),
        ("f", "detail 1 (1 of 3 failures)"),
        ("pff", "detail 3 (2 of 3 failures)"),
        ("pfff", "detail 4"),
        ("pw", "detail 2 (1 of 3 warnings)"),
        ("pwww", "detail 4"),
        ("pwwwp", "passed (1 of 2 passes)"),
        ("fffp", "passed (1 of 2 passes)"),
        ("fffw", "passed (1 of 2 passes)"),
        ("pu", "detail 2"),
        ("pwwwf", "detail 5 (1 of 3 failures)"),
    ],
)
def test_a_state_says_why(script: str, explanation: str) -> None:
    """What was seen, and how far it is on the way to a change."""
    assert explanation == history(script)[-1].explanation


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("p", False),
        ("f", True),
        ("pf", True),
        ("pff", True),
        ("pfff", False),
        ("pfffp", True),
        ("pfffpp", False),
        ("pw", True),
        ("pwww", False),
        ("pwwwp", True),
        ("pwwwpp", False),
        ("pu", False),
        ("puf", True),
        ("fffup", True),
    ],
)
def test_a_check_is_looked_at_again_while_undecided(script: str, expected: bool) -> None:
    """It is undecided when the last run says something else than the status."""
    assert expected is undecided(history(script)[-1])


def test_a_fresh_check_is_not_undecided() -> None:
    """It has its first run to come."""
    assert False is undecided(CheckState("queue"))


# the sum


def standing(letters: str) -> Standing:
    """U, G, D, ? or . (awaited), then ! for critical and - for paused."""
    status = {"U": Status.UP, "G": Status.DEGRADED, "D": Status.DOWN}.get(letters[0], Status.UNKNOWN)
    return Standing(status, "!" in letters, "-" in letters, letters[0] == ".")


@pytest.mark.parametrize(
    ("checks", "word"),
    [
        ("", "healthy"),
        ("U!", "healthy"),
        ("U", "healthy"),
        ("U U! U", "healthy"),
        ("D! U! U", "unhealthy"),
        ("D!", "unhealthy"),
        ("D! ?! G", "unhealthy"),
        ("?! U G D", "unknown"),
        (".! U", "unknown"),
        ("?", "unknown"),
        ("? .", "unknown"),
        (".", "unknown"),
        ("? ?", "unknown"),
        ("G", "degraded"),
        ("G!", "degraded"),
        ("G! U", "degraded"),
        ("D", "degraded"),
        ("D U!", "degraded"),
        ("D D", "degraded"),
        ("? U", "degraded"),
        (". U", "healthy"),
        (". U! U", "healthy"),
        (". G", "degraded"),
        (". D", "degraded"),
        (". ? U", "degraded"),
        ("D!- U", "healthy"),
        ("?!- U", "healthy"),
        ("?- U", "healthy"),
        ("G- U", "healthy"),
        ("D- G", "degraded"),
        ("U- ?", "unknown"),
        ("D!-", "healthy"),
        ("?- ?-", "healthy"),
    ],
)
def test_the_sum_of_all_checks(checks: str, word: str) -> None:
    """! is critical, - paused, . a first run that is still awaited; paused checks are left out."""
    assert word == aggregate(standing(letters) for letters in checks.split())


def in_words(checks: tuple[str, ...]) -> str:
    """The same, clause by clause as the plan has it."""
    counted = [letters for letters in checks if "-" not in letters]
    if "D!" in counted:
        return "unhealthy"
    if any(letters in ("?!", ".!") for letters in counted):
        return "unknown"
    if counted and all(letters in ("?", ".") for letters in counted):
        return "unknown"
    if any(letters in ("G", "G!", "D", "?") for letters in counted):
        return "degraded"
    return "healthy"


def test_every_sum_is_as_the_plan_has_it() -> None:
    """All sets of up to three checks, in any order."""
    kinds = [letter + mark for letter in "UGD?." for mark in ("", "!", "-", "!-")]
    sets = [checks for count in range(3) for checks in itertools.product(kinds, repeat=count)]
    sets += itertools.combinations_with_replacement(kinds, 3)
    wrong = [checks for checks in sets if in_words(checks) != aggregate(map(standing, checks))]
    assert [] == wrong[:3]
