"""I-Regexps: what RFC 9485 takes for one, what matches, and that no pattern or text takes long."""

from __future__ import annotations

import random
import re
import threading
import time
import unicodedata
from collections.abc import Callable
from itertools import product

import pytest
from support import few

from minimon.jsonpath.iregexp import (
    DEEPEST,
    INSTRUCTIONS,
    KEPT_STATES,
    KEPT_TRANSITIONS,
    LONGEST_PATTERN,
    LONGEST_TEXT,
    Exhausted,
    Matcher,
    compile,
)

ASCII = [chr(code) for code in range(128)]
AB = "".join(random.Random(1).choices("ab", k=1_000_000))
CATEGORIES = (
    "L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So Z Zl Zp Zs C Cc Cf Cn Co".split()
)
"""What RFC 9485 section 4 lists."""


def refusal(pattern: str) -> str | None:
    """Why it is refused."""
    try:
        compile(pattern)
    except ValueError as error:
        return str(error)
    return None


def outcome(ask: Callable[[str], bool], text: str) -> bool | None:
    """The answer; None when there is none."""
    try:
        return ask(text)
    except Exhausted:
        return None


def brief(value: object) -> str:
    """The name of a long argument in that of its test."""
    return ascii(value[:20] if isinstance(value, str) else value)[:20]


# what is an I-Regexp


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "|",
        "a|",
        "|a",
        "a||b",
        "()",
        "(|)",
        "(a)",
        "((a)|b)c",
        "a*",
        "a+",
        "a?",
        "a{0}",
        "a{2}",
        "a{2,}",
        "a{2,2}",
        "a{2,3}",
        "a{002,03}",
        "a{" + 5000 * "0" + "1}",
        "(a*)*",
        "()*",
        ".",
        ".*",
        "\\.*",
        "\\p{L}*",
        "\\P{Nd}{2}",
        "[a]",
        "[^a]",
        "[a-z]",
        "[a-a]",
        "[-]",
        "[^-]",
        "[--]",
        "[-a]",
        "[a-]",
        "[^-a]",
        "[^a-]",
        "[-a-]",
        "[a-c-]",
        "[+-.]",
        "[\\--\\.]",
        "[\\n-\\r]",
        "[.*+?(){}|$]",
        "[^^]",
        "[a^]",
        "[\\^]",
        "[\\p{L}]",
        "[\\p{L}-]",
        "[-\\P{L}a-z]",
        "\ue000",
        "\U0010ffff",
        "[\ud7ff\ue000-\U0010ffff]",
    ],
    ids=brief,
)
def test_an_iregexp_is_accepted(pattern: str) -> None:
    """Every production of RFC 9485 section 4 is."""
    assert None is refusal(pattern)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("*", "unexpected '*' at position 0"),
        ("a|+", "unexpected '+' at position 2"),
        ("(?:a)", "unexpected '?' at position 1"),
        ("(?=a)", "unexpected '?' at position 1"),
        ("a**", "unexpected '*' at position 2"),
        ("a*?", "unexpected '?' at position 2"),
        ("a{2}{3}", "unexpected '{' at position 4"),
        ("{2}", "unexpected '{' at position 0"),
        ("a}", "unexpected '}' at position 1"),
        ("a]", "unexpected ']' at position 1"),
        ("a)", "unexpected ')' at position 1"),
        ("(a))", "unexpected ')' at position 3"),
        ("(a", "a group without ')' at position 0"),
        ("(a(b)", "a group without ')' at position 0"),
        ("(a|(", "a group without ')' at position 3"),
        ("a{", "a quantifier without a number at position 2"),
        ("a{}", "a quantifier without a number at position 2"),
        ("a{,2}", "a quantifier without a number at position 2"),
        ("a{ 2}", "a quantifier without a number at position 2"),
        ("a{-1}", "a quantifier without a number at position 2"),
        ("a{\u0662}", "a quantifier without a number at position 2"),
        ("a{\u00b2}", "a quantifier without a number at position 2"),
        ("a{2,x}", "a quantifier without a number at position 4"),
        ("a{2,", "a quantifier without a number at position 4"),
        ("a{2", "a quantifier without '}' at position 1"),
        ("a{2,3", "a quantifier without '}' at position 1"),
        ("a{2,3,4}", "a quantifier without '}' at position 1"),
        ("a{3,2}", "a quantifier from 3 down to 2 at position 1"),
        ("a\\", "unknown escape '\\\\' at position 1"),
        ("\\d", "unknown escape '\\\\d' at position 0"),
        ("\\1", "unknown escape '\\\\1' at position 0"),
        ("\\$", "unknown escape '\\\\$' at position 0"),
        ("\\u0041", "unknown escape '\\\\u' at position 0"),
        ("[\\w]", "unknown escape '\\\\w' at position 1"),
        ("\\p", "unknown category '\\\\p' at position 0"),
        ("\\pL", "unknown category '\\\\pL' at position 0"),
        ("\\p{L", "unknown category '\\\\p{L' at position 0"),
        ("\\p(L}", "unknown category '\\\\p(L}' at position 0"),
        ("\\p{}", "unknown category '\\\\p{}' at position 0"),
        ("\\p{Cs}", "unknown category '\\\\p{Cs}' at position 0"),
        ("\\p{lu}", "unknown category '\\\\p{lu}' at position 0"),
        ("\\p{ L}", "unknown category '\\\\p{ L}' at position 0"),
        ("\\p{^L}", "unknown category '\\\\p{^L}' at position 0"),
        ("a\\P{IsGreek}", "unknown category '\\\\P{IsG' at position 1"),
        ("[\\p{X}]", "unknown category '\\\\p{X}]' at position 1"),
        ("[", "a class without ']' at position 0"),
        ("a[^", "a class without ']' at position 1"),
        ("[a-", "a class without ']' at position 0"),
        ("[a-z", "a class without ']' at position 0"),
        ("[]", "unexpected ']' at position 1"),
        ("[]a]", "unexpected ']' at position 1"),
        ("[^]", "unexpected ']' at position 2"),
        ("[[]", "unexpected '[' at position 1"),
        ("[a[:digit:]]", "unexpected '[' at position 2"),
        ("[a-z-[b]]", "unexpected '-' at position 4"),
        ("[a-c-e]", "unexpected '-' at position 4"),
        ("[---]", "unexpected '-' at position 2"),
        ("[a--]", "unexpected '-' at position 3"),
        ("[a-[]", "unexpected '[' at position 3"),
        ("[\\p{L}-a]", "unexpected '-' at position 6"),
        ("[a-\\p{L}]", "unknown escape '\\\\p' at position 3"),
        ("[bb-a]", "a range from 'b' down to 'a' at position 2"),
        ("\ud800", "unexpected '\\ud800' at position 0"),
        ("\ud83d\ude00", "unexpected '\\ud83d' at position 0"),
        ("[a\udfff]", "unexpected '\\udfff' at position 2"),
        ("[a-\udfff]", "unexpected '\\udfff' at position 3"),
    ],
)
def test_anything_else_is_refused(pattern: str, reason: str) -> None:
    """The reason tells the position of what is wrong."""
    assert reason == refusal(pattern)


@pytest.mark.parametrize(
    ("around", "accepted"),
    [
        ("{}", sorted({*ASCII} - {*"()*+?[\\]{}"})),
        ("\\{}", sorted("()*+-.?[\\]^nrt{|}")),
        ("[x{}]", sorted({*ASCII} - {*"[\\"})),
        ("[{}x]", sorted({*ASCII} - {*"[\\]"})),
        ("[x{}x]", sorted({*ASCII} - {*"[\\]"})),
        ("[\\{}]", sorted("()*+-.?[\\]^nrt{|}")),
        ("\\p{{L{}}}", sorted("lmotu")),
        ("\\P{{Z{}}}", sorted("lps")),
        ("\\p{{{}}}", sorted("LMNPZSC")),
        ("a{{1{}}}", sorted("0123456789,")),
    ],
)
def test_each_character_of_ascii_is_judged(around: str, accepted: list[str]) -> None:
    """As the ranges of the grammar say for a place."""
    right = [one for one in ASCII if refusal(around.format(one)) is None]
    assert [one for one in accepted if one != "]"] == [one for one in right if one != "]"]


CC = "(?:[^\\[\\]\\\\-]|\\\\[\\[\\]\\\\^-])"
CLASS = re.compile(rf"\[\^?(?:-|{CC}(?:-{CC})?)(?:{CC}(?:-{CC})?)*-?\]")


def test_classes_are_those_of_the_grammar() -> None:
    """All short ones, against the production charClassExpr written as an expression for re."""
    inner = ["".join(some) for length in range(1, 6) for some in product("-^\\]a", repeat=length)]
    reasons = {f"[{one}]": refusal(f"[{one}]") for one in inner if one != "^" and "]" not in re.sub("\\\\.", "", one)}
    judged = {one: reason is None for one, reason in reasons.items() if "down to" not in (reason or "")}
    assert {one: CLASS.fullmatch(one) is not None for one in judged} == judged


def test_the_categories_are_the_listed_ones() -> None:
    """No Cs, no blocks, no long names."""
    letters = [chr(code) for code in range(65, 123)]
    names = [*letters, *(one + other for one in letters for other in letters)]
    assert sorted(CATEGORIES) == sorted(name for name in names if refusal(f"\\p{{{name}}}") is None)


# what matches


@pytest.mark.parametrize(
    ("pattern", "text", "whole", "part"),
    [
        ("", "", True, True),
        ("", "a", False, True),
        ("a", "", False, False),
        ("a", "a", True, True),
        ("a", "bab", False, True),
        ("ab|cd", "cd", True, True),
        ("ab|cd", "abd", False, True),
        ("a(b|c)d", "acd", True, True),
        ("a|", "", True, True),
        ("a*", "aaa", True, True),
        ("a+", "", False, False),
        ("ab?", "a", True, True),
        ("a{0}", "", True, True),
        ("a{2}", "aaa", False, True),
        ("a{2}", "a", False, False),
        ("a{2,}", "aaaaa", True, True),
        ("a{0,}", "", True, True),
        ("a{2,4}", "aaaa", True, True),
        ("a{2,4}", "aaaaa", False, True),
        ("a{0,2}b", "b", True, True),
        ("(ab){2}", "abab", True, True),
        ("(a{2}){3}", "aaaaaa", True, True),
        ("(a*)*", "aaa", True, True),
        ("(a*)*b", "aaac", False, False),
        ("(|a)+", "aa", True, True),
        ("(a|b*|)*c", "abbac", True, True),
        ("()*a", "a", True, True),
        ("(){5}", "", True, True),
        ("((a?)+)?", "aa", True, True),
        ("^a$", "^a$", True, True),
        ("^a$", "a", False, False),
        ("a.c", "a\nc", False, False),
        ("a.c", "a\rc", False, False),
        ("a.c", "a\u2028c", True, True),
        ("a.c", "a\0c", True, True),
        ("\\n\\r\\t\\-\\.", "\n\r\t-.", True, True),
        ("[^a]", "\n", True, True),
        ("[^a-c]", "b", False, False),
        ("[a-]", "-", True, True),
        ("[--]", "-", True, True),
        ("[^-a]", "_", True, True),
        ("[+-.]", "-", True, True),
        ("[a^]", "^", True, True),
        ("[c-ea-f]", "f", True, True),
        ("[a-fb-c]", "e", True, True),
        ("[A-Z]", "a", False, False),
        ("\\p{Lu}", "\u00c4", True, True),
        ("\\P{Lu}", "\u00c4", False, False),
        ("[\\p{Nd}x]+", "1x\u0662", True, True),
        ("[^\\p{L}\\P{N}]", "1", True, True),
        ("[^\\p{L}\\P{N}]", "-", False, False),
        ("[\\p{L}\\P{L}]{2}", "a\n", True, True),
        (".", "\U0001f600", True, True),
        ("..", "\U0001f600", False, False),
        ("[\U0001f600-\U0001f64f]", "\U0001f610", True, True),
        ("[^\U0001f600]", "\U0001f600", False, False),
        ("\\p{So}", "\U0001f600", True, True),
        (".", "\ud800", True, True),
        ("[^a]", "\udfff", True, True),
        ("\\P{L}", "\ud800", True, True),
        ("[\ud7ff-\ue000]", "\ud900", True, True),
        ("a", "\ud800a", False, True),
        ("\U0001f600", "\ud83d\ude00", False, False),
    ],
)
def test_a_text_matches_or_not(pattern: str, text: str, whole: bool, part: bool) -> None:
    """The whole of it, and a part of it."""
    matcher = compile(pattern)
    assert (whole, part) == (matcher.matches(text), matcher.searches(text))


@pytest.mark.parametrize("name", CATEGORIES)
def test_a_category_has_the_characters_of_unicode(name: str) -> None:
    """And its complement has all others."""
    chars = [chr(code) for code in (*range(0, 0x3000, 7), 0x2028, 0x2029, 0x20DD, 0xE000, 0xFFFFF, *range(128))]
    has, lacks = compile(f"\\p{{{name}}}"), compile(f"[\\P{{{name}}}]")
    expected = [unicodedata.category(one).startswith(name) for one in chars]
    assert [(one, not one) for one in expected] == [(has.matches(one), lacks.matches(one)) for one in chars]


Pair = tuple[str, str]
"""An I-Regexp, and what re calls the same."""

ATOMS: list[Pair] = [
    *((one, one) for one in "abc"),
    *((one, "\\" + one) for one in "^$"),
    (".", "[^\\n\\r]"),
    ("\\n", "\\n"),
    ("[ab]", "[ab]"),
    ("[^a]", "[^a]"),
    ("[^b-c]", "[^b-c]"),
    ("[a-]", "[a-]"),
    ("[-$]", "[-$]"),
    ("\\p{Ll}", "[abc]"),
    ("\\P{L}", "[^abc]"),
    ("[\\p{S}b]", "[$^b]"),
    ("()", "(?:)"),
]
QUANTIFIERS = ["", "", "", "*", "+", "?", "{2}", "{0}", "{1,}", "{0,2}", "{1,3}"]


def expression(rng: random.Random, depth: int) -> Pair:
    """A small expression: branches of pieces, some of them groups; few counts of groups, as re takes long for those."""
    branches = []
    for _ in range(rng.choice((1, 1, 2, depth + 1))):
        pieces = []
        for _ in range(rng.choice((0, 1, 1, 2, 3))):
            ours, theirs = rng.choice(ATOMS)
            quantifier = rng.choice(QUANTIFIERS)
            if depth and rng.random() < 0.4:
                ours, theirs = (f"({one})" for one in expression(rng, depth - 1))
                quantifier = rng.choice(QUANTIFIERS if depth > 1 else QUANTIFIERS[:6])
            pieces.append((ours + quantifier, theirs + quantifier))
        branches.append(tuple("".join(piece[side] for piece in pieces) for side in (0, 1)))
    return "|".join(one for one, _ in branches), "|".join(other for _, other in branches)


@pytest.mark.parametrize("seed", few(range(20), 5))
def test_random_expressions_match_as_those_of_re(seed: int) -> None:
    """A hundred small ones, each with small texts, whole and in part."""
    rng = random.Random(seed)
    expected, actual = [], []
    for _ in range(100):
        ours, theirs = expression(rng, 2)
        known, matcher = re.compile(theirs), compile(ours)
        for text in ("".join(rng.choices("aaabbc^$-\n", k=rng.randrange(6))) for _ in range(5)):
            expected.append((ours, text, known.fullmatch(text) is not None, known.search(text) is not None))
            actual.append((ours, text, matcher.matches(text), matcher.searches(text)))
    assert expected == actual


# what takes long elsewhere


@pytest.mark.parametrize(
    ("pattern", "text", "whole", "part"),
    [
        ("(a+)+c", "a" * 1_000_000, False, False),
        ("(a+)+$", "a" * 1_000_000 + "!", False, False),
        ("(a|a)*", "a" * 1_000_000, True, True),
        ("(a|a)*c", "a" * 1_000_000, False, False),
        ("(a|b|ab)*", AB, True, True),
        ("(a|b|ab)*c", AB, False, False),
        ("((a*)*)*c", AB, False, False),
        ("(|a|b)+c", AB, False, False),
        (".*.*.*x", AB, False, False),
        ("(.*,){11}x", "1," * 500_000, False, False),
        ("(a?){100}a{100}", "a" * 100, True, True),
        ("((a{7}){7}){7}", "a" * 343, True, True),
        ("((a{0,6}){0,6}){0,6}", "a" * 217, False, True),
        ("([ab]{1,20}){1,20}c", AB, False, False),
        ("(a|b)*a(a|b){20}", AB, None, True),
        (".*a.{200}c", AB, None, None),
        ("(.?){600}x", "a" * 1_000_000, None, False),
        ("x.*y", "".join(map(chr, range(0x10000))) * 10, False, True),
        ("[\\p{L}\\P{L}]*x", "".join(map(chr, range(0x20000, 0x10FFFF))), None, None),
        (".", "a" * (LONGEST_TEXT + 1), None, None),
    ],
    ids=brief,
)
def test_no_pattern_blows_up(pattern: str, text: str, whole: bool | None, part: bool | None) -> None:
    """Within a second each call has the right answer, or gives up."""
    begun = time.perf_counter()
    matcher = compile(pattern)
    answers = outcome(matcher.matches, text), outcome(matcher.searches, text)
    assert (whole, part, True) == (*answers, time.perf_counter() - begun < 2.0)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("a" * (LONGEST_PATTERN + 1), "a pattern of 10,001 characters: at most 10,000 are read"),
        ("a" * (INSTRUCTIONS + 1), "more than 2,000 instructions at position 2000"),
        ("a{2000}a", "more than 2,000 instructions at position 7"),
        ("a{2001}", "more than 2,000 times at position 2"),
        ("(){0,99999999999}", "more than 2,000 times at position 5"),
        ("a{" + "9" * 9_000 + "}", "more than 2,000 times at position 2"),
        ("((a{1000}){1000}){1000}", "more than 2,000 instructions at position 9"),
        ("(((a?){99}){99}){99}", "more than 2,000 instructions at position 10"),
        ("(a|b){1000}", "more than 2,000 instructions at position 4"),
        ("|" * 9_000, "more than 2,000 instructions at position 2000"),
        ("(" * (DEEPEST + 1) + ")" * (DEEPEST + 1), "more than 100 groups within one another at position 100"),
        ("(" * 9_000, "more than 100 groups within one another at position 100"),
    ],
    ids=brief,
)
def test_what_is_too_large_is_refused_at_once(pattern: str, reason: str) -> None:
    """Before it is written out, and told apart from what is no I-Regexp."""
    begun = time.perf_counter()
    with pytest.raises(Exhausted) as caught:
        compile(pattern)
    assert (reason, True) == (str(caught.value), time.perf_counter() - begun < 0.5)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("a" * INSTRUCTIONS, "a" * INSTRUCTIONS),
        ("a{2000}", "a" * 2000),
        ("(a{1900}){0}" * 800, ""),
        ("(" * DEEPEST + "a" + ")" * DEEPEST, "a"),
        ("(" * DEEPEST + "a" + ")*" * DEEPEST, "aa"),
        ("()" * 5_000, ""),
        ("|".join("ab" * 300), "b"),
        ("[" + "ab" * 4_999 + "]", "b"),
    ],
    ids=brief,
)
def test_what_is_just_small_enough_matches(pattern: str, text: str) -> None:
    """The bounds themselves are allowed."""
    assert compile(pattern).matches(text)


@pytest.mark.parametrize(
    ("pattern", "text", "reason"),
    [
        (".*a.{200}c", AB, "the expression needs more than 200,000 steps for this text"),
        ("a", " " * (LONGEST_TEXT + 1), "a text of 1,048,577 characters: at most 1,048,576 are read"),
    ],
    ids=brief,
)
def test_giving_up_says_why(pattern: str, text: str, reason: str) -> None:
    """In words for who wrote the expression."""
    with pytest.raises(Exhausted) as caught:
        compile(pattern).matches(text)
    assert reason == str(caught.value)


def kept(matcher: Matcher) -> tuple[bool, bool]:
    """Whether what it keeps is within the bounds: states, and transitions of them all."""
    states = [matcher._whole._states, matcher._part._states]
    transitions = max(sum(map(len, one.values())) for one in states)
    return max(map(len, states)) <= KEPT_STATES, transitions <= 7 * KEPT_TRANSITIONS


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (".*a.{100}c", AB[:2_000]),
        (".*a.{9}c", AB[:4_000]),
        ("x*.*", "".join(map(chr, range(100, 30_000)))),
        (
            ".*[\u4e00-\u4e20].{9}x",
            "".join(random.Random(1).choices([chr(0x4E00 + one) for one in range(99)], k=4_000)),
        ),
    ],
    ids=brief,
)
def test_what_is_kept_is_bounded(pattern: str, text: str) -> None:
    """However many states and characters there are: of transitions a harmonic sum of the bound for one state."""
    matcher = compile(pattern)
    for _ in range(2):
        outcome(matcher.matches, text)
        outcome(matcher.searches, text)
    assert (True, True) == kept(matcher)


def test_states_that_are_dropped_are_built_again() -> None:
    """Answers stay right while states come and go."""
    rng = random.Random(1)
    matcher = compile("[ab]*a[ab]{9}")
    texts = ["".join(rng.choices("ab", k=rng.randrange(40))) for _ in range(1000)]
    assert [text[-10:-9] == "a" for text in texts] == [matcher.matches(text) for text in texts]


# threads


def test_threads_share_a_matcher() -> None:
    """They build and drop the states of one another, and all get right answers."""
    matcher = compile("[ab\u0100-\u0200]*a[ab]{9}")
    answers: list[list[bool | None]] = []
    expected: list[list[bool | None]] = []

    def ask(texts: list[str]) -> None:
        answers.append([outcome(matcher.matches, text) for text in texts])

    threads = []
    for seed in range(8):
        rng = random.Random(seed)
        texts = [chr(0x100 + rng.randrange(200)) + "".join(rng.choices("ab", k=rng.randrange(40))) for _ in range(200)]
        expected.append([text[-10:-9] == "a" for text in texts])
        threads.append(threading.Thread(target=ask, args=(texts,)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(expected) == sorted(answers)
