"""Matches texts against I-Regexps (RFC 9485) in time linear in the text, whatever the expression.

A pattern becomes a program of Thompson's construction; a state of the automaton is the set of the instructions that
wait for a character. States and their transitions are built when a text first needs them, and kept while there is
room. Nothing goes back in the text and nothing recurses, so no pattern can blow up: what is too large is refused.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Union
from unicodedata import category

LONGEST_PATTERN = 10_000
"""Characters of a pattern."""

DEEPEST = 100
"""Groups within one another."""

INSTRUCTIONS = 2_000
"""Instructions of a program, that is a pattern with its counted quantifiers written out; also the highest count."""

LONGEST_TEXT = 1 << 20
"""Characters of a text."""

STEPS = 200_000
"""Instructions that one call visits at most while it builds states: about a tenth of a second."""

KEPT_STATES = 256
"""States that an automaton keeps at most."""

KEPT_INSTRUCTIONS = 50_000
"""Instructions in the kept states of an automaton, as if each state had all of them: a long program keeps fewer."""

KEPT_TRANSITIONS = 16_384
"""Transitions of a state, times the number of states: few states may know many characters, many states a few."""

ESCAPED = "()*+-.?[\\]^{|}nrt"
"""What may follow a backslash: SingleCharEsc of RFC 9485 section 4."""

CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}
"""The escapes that do not stand for themselves."""

MAJOR = {"L": "lmotu", "M": "cen", "N": "dlo", "P": "cdefios", "Z": "lps", "S": "ckmo", "C": "cfnos"}
"""The general categories of Unicode."""

ALL = frozenset(major + minor for major, minors in MAJOR.items() for minor in minors)
"""The general categories as unicodedata names them."""

CATEGORIES = {name: frozenset(one for one in ALL if one.startswith(name)) for name in {*MAJOR, *ALL} - {"Cs"}}
"""What \\p{...} may name (IsCategory of RFC 9485 section 4): no Cs, as no surrogate is a character."""


class Exhausted(ValueError):
    """A pattern is too large, or a text needs more work than one call may do; whether it matches is not known."""


class _Chars:
    """A set of characters: ranges of code points and categories, or all characters but these."""

    __slots__ = ("categories", "highs", "lows", "negated")

    def __init__(
        self, ranges: Iterable[tuple[int, int]], categories: frozenset[str] = frozenset(), negated: bool = False
    ) -> None:
        self.categories = categories
        self.negated = negated
        self.lows: list[int] = []
        self.highs: list[int] = []
        for low, high in sorted(ranges):
            if self.highs and low <= self.highs[-1]:  # merged, so that one look finds the only range in question
                self.highs[-1] = max(high, self.highs[-1])
            else:
                self.lows.append(low)
                self.highs.append(high)

    def __contains__(self, char: str) -> bool:
        code = ord(char)
        at = bisect_right(self.lows, code) - 1
        inside = at >= 0 and code <= self.highs[at]
        if not inside and self.categories:
            inside = category(char) in self.categories
        return inside != self.negated


_Program = list[Union[_Chars, tuple[int, ...]]]
"""Instructions: take a character of a set, or go on at all of these places, told from here.

So a program may be repeated as it is, and its end is the place behind it.
"""

_ANY = _Chars((), negated=True)
_DOT = _Chars([(ord(char), ord(char)) for char in "\n\r"], negated=True)


def compile(pattern: str) -> Matcher:
    """The Matcher of an I-Regexp (RFC 9485 section 4).

    Raises ValueError with the reason and the position, from 0, for what is none, and Exhausted for what is too large.
    Also refused is what the grammar lets through but has no meaning (XSD-2 appendix F): [^], a{2,1} and [b-a].
    """
    if len(pattern) > LONGEST_PATTERN:
        raise Exhausted(f"a pattern of {len(pattern):,} characters: at most {LONGEST_PATTERN:,} are read")
    return Matcher(_Parser(pattern).program())


class Matcher:
    """A compiled I-Regexp, for any number of threads. Keeps at most some megabytes; made by compile()."""

    def __init__(self, program: _Program) -> None:
        self._whole = _Automaton(program, search=False)
        self._part = _Automaton(_repeat([_ANY], 0, None) + program, search=True)

    def matches(self, text: str) -> bool:
        """Whether the whole text matches (match() of RFC 9535 section 2.4.6).

        Raises Exhausted when that takes too long to tell. What earlier calls have built is work saved: a call may
        be answered where the same one was not.
        """
        return self._whole.run(text)

    def searches(self, text: str) -> bool:
        """Whether a part of the text matches (search() of RFC 9535 section 2.4.7). Raises Exhausted as matches()."""
        return self._part.run(text)

    def run(self, text: str, whole: bool, spend: Callable[[int], None]) -> bool:
        """Either of them; `spend` is told the steps that were taken, and may raise."""
        return (self._whole if whole else self._part).run(text, spend)


class _State(dict[Union[str, tuple[_Chars, ...]], "_State"]):
    """A state of an automaton; its items say where a character leads, or all characters of just these sets."""

    __slots__ = ("accepts", "edges", "settled")

    def __init__(self, edges: dict[_Chars, list[int]], accepts: bool, settled: bool) -> None:
        self.edges = edges  # the sets that it waits for, and where each leads
        self.accepts = accepts
        self.settled = settled  # whatever follows, the answer is known


class _Automaton:
    """Runs a program over texts.

    Threads share it without a lock. What is kept is only ever a function of its key: a thread that does not find what
    another one is about to put in, or has just dropped, builds an equal one. Single operations of a dict are whole
    with or without the GIL, and nothing relies on two of them seeing the same.
    """

    def __init__(self, program: _Program, search: bool) -> None:
        self._program = [
            op if isinstance(op, _Chars) else tuple(at + offset for offset in op) for at, op in enumerate(program)
        ]
        self._search = search
        self._most = min(KEPT_STATES, 1 + KEPT_INSTRUCTIONS // (1 + len(program)))
        self._states: dict[frozenset[int], _State] = {}
        self._first, _ = self._closure([0])

    def run(self, text: str, spend: Callable[[int], None] | None = None) -> bool:
        """Whether it accepts the text, or with search a beginning of it. Raises Exhausted."""
        if len(text) > LONGEST_TEXT:
            raise Exhausted(f"a text of {len(text):,} characters: at most {LONGEST_TEXT:,} are read")
        left = STEPS
        state = self._state(self._first)
        for char in text:
            try:
                state = state[char]
            except KeyError:
                if state.settled:
                    break
                state, cost = self._step(state, char)
                left -= cost
                if left < 0:
                    raise Exhausted(f"the expression needs more than {STEPS:,} steps for this text") from None
        if spend is not None:
            spend(STEPS - left)
        return state.accepts

    def _step(self, state: _State, char: str) -> tuple[_State, int]:
        """Where a character leads that the state does not know yet, and what it cost to find out."""
        cost = 4 + len(state.edges)
        held = tuple([chars for chars in state.edges if char in chars])
        found = state.get(held)
        if found is None:
            waiting, visited = self._closure([at for chars in held for at in state.edges[chars]])
            found = self._state(waiting)
            cost += visited
        if len(state) * len(self._states) > KEPT_TRANSITIONS:
            state.clear()
        state[held] = state[char] = found
        return found, cost

    def _closure(self, todo: list[int]) -> tuple[frozenset[int], int]:
        """The instructions that take a character, and the end, as far as they are reached without one."""
        seen = set(todo)
        waiting = []
        while todo:
            at = todo.pop()
            op = self._program[at] if at < len(self._program) else None
            if isinstance(op, tuple):
                new = [target for target in op if target not in seen]
                seen.update(new)
                todo += new
            else:
                waiting.append(at)
        return frozenset(waiting), len(seen)

    def _state(self, waiting: frozenset[int]) -> _State:
        states = self._states
        found = states.get(waiting)
        if found is None:
            if len(states) >= self._most:
                self._states = {}
                for state in states.copy().values():  # a copy, as others may still add to it
                    state.clear()  # else states would keep each other, and the dropped ones with them
                states = self._states
            found = states[waiting] = self._new(waiting)
        return found

    def _new(self, waiting: frozenset[int]) -> _State:
        end = len(self._program)
        edges: dict[_Chars, list[int]] = {}
        for at in waiting:
            op = self._program[at] if at < end else None
            if isinstance(op, _Chars):
                edges.setdefault(op, []).append(at + 1)
        accepts = end in waiting
        return _State(edges, accepts, settled=accepts if self._search else not waiting)


def _repeat(program: _Program, low: int, high: int | None) -> _Program:
    """A program some times in a row; a high of None is without end."""
    size = len(program)
    if high is None:
        again: _Program = [(-size, 1)]
        return program * low + again if low else [(1, size + 2), *program, *again]
    repeated = program * low
    for left in range(high - low, 0, -1):
        repeated.append((1, left * (size + 1)))
        repeated += program
    return repeated


def _choice(branches: list[_Program]) -> _Program:
    """A program that goes through any of these."""
    if len(branches) == 1:
        return branches[0]
    starts = [1]
    for branch in branches:
        starts.append(starts[-1] + len(branch) + 1)
    end = starts.pop()
    chosen: _Program = [tuple(starts)]
    for branch in branches:
        chosen += branch
        chosen.append((end - len(chosen),))
    return chosen


class _Parser:
    """Reads a pattern once, from the left. Its methods are named after the ABNF of RFC 9485 section 4."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.size = 0  # instructions so far, with those of groups that are still open
        self.made: dict[str, _Chars] = {}  # equal sets are one, so that a state asks each only once

    def error(self, reason: str, at: int | None = None) -> ValueError:
        """What is wrong, here or there."""
        return ValueError(f"{reason} at position {self.at if at is None else at}")

    def too_large(self, limit: int, what: str, at: int) -> Exhausted:
        """What may be right, but would be too much work."""
        return Exhausted(f"more than {limit:,} {what} at position {at}")

    def seen(self, offset: int = 0) -> str:
        """The character ahead, empty at the end."""
        return self.pattern[self.at + offset : self.at + offset + 1]

    def took(self, char: str) -> bool:
        """Whether this character was next; it is taken."""
        taken = self.seen() == char
        self.at += taken
        return taken

    def program(self) -> _Program:
        """The whole pattern: i-regexp and branch, with a stack instead of recursion."""
        opened: list[tuple[int, int]] = []  # where, and the size before
        groups: list[list[_Program]] = [[[]]]  # the branches so far of each open group
        while self.at < len(self.pattern):
            start = self.at
            if self.took("("):
                if len(opened) == DEEPEST:
                    raise self.too_large(DEEPEST, "groups within one another", start)
                opened.append((start, self.size))
                groups.append([[]])
            elif self.took("|"):
                groups[-1].append([])
                self.grow(1, start)
            elif opened and self.took(")"):
                _, self.size = opened.pop()
                self.piece(start, _choice(groups.pop()), groups[-1][-1])
            else:
                self.piece(start, [self.atom()], groups[-1][-1])
        if opened:
            raise self.error("a group without ')'", opened[-1][0])
        return _choice(groups[0])

    def piece(self, start: int, atom: _Program, branch: _Program) -> None:
        """Add an atom, repeated as the quantifier behind it says, to a branch."""
        low, high = self.quantifier()
        self.grow(len(atom) * max(low, 1) + 2 if high is None else len(atom) * high + high - low, start)
        branch += _repeat(atom, low, high)

    def grow(self, size: int, start: int) -> None:
        """Count instructions, before they are written out."""
        self.size += size
        if self.size > INSTRUCTIONS:
            raise self.too_large(INSTRUCTIONS, "instructions", start)

    def quantifier(self) -> tuple[int, int | None]:
        """The least and the highest count; once where there is no quantifier."""
        start = self.at
        if self.took("*"):
            return 0, None
        if self.took("+"):
            return 1, None
        if self.took("?"):
            return 0, 1
        if not self.took("{"):
            return 1, 1
        low = self.exact()
        high: int | None = low
        if self.took(","):
            high = None if self.seen() == "}" else self.exact()
        if not self.took("}"):
            raise self.error("a quantifier without '}'", start)
        if high is not None and low > high:
            raise self.error(f"a quantifier from {low} down to {high}", start)
        return low, high

    def exact(self) -> int:
        """QuantExact."""
        start = self.at
        while self.seen() and self.seen() in "0123456789":
            self.at += 1
        if start == self.at:
            raise self.error("a quantifier without a number")
        digits = self.pattern[start : self.at].lstrip("0") or "0"
        if len(digits) > 9 or int(digits) > INSTRUCTIONS:  # int() takes long for many digits, or refuses them
            raise self.too_large(INSTRUCTIONS, "times", start)
        return int(digits)

    def atom(self) -> _Chars:
        """One that is no group: NormalChar or charClass."""
        start = self.at
        if self.took("."):
            return _DOT
        if self.took("["):
            chars = self.char_class(start)
        elif self.seen() == "\\" and self.seen(1) in ("p", "P"):
            chars = _Chars((), self.category())
        else:
            code = ord(self.char(")*+?]{}"))
            chars = _Chars([(code, code)])
        return self.made.setdefault(self.pattern[start : self.at], chars)

    def char_class(self, start: int) -> _Chars:
        """What follows the '[' of a charClassExpr."""
        negated = self.took("^")
        first = self.at
        ranges: list[tuple[int, int]] = []
        categories: frozenset[str] = frozenset()
        while self.seen() != "]" or self.at == first:
            if not self.seen():
                raise self.error("a class without ']'", start)
            if self.seen() == "-" and (self.at == first or self.seen(1) in ("]", "")):
                self.at += 1
                ranges.append((ord("-"), ord("-")))
            elif self.seen() == "\\" and self.seen(1) in ("p", "P"):
                categories |= self.category()
            else:
                ranges.append(self.range())
        self.at += 1
        return _Chars(ranges, categories, negated)

    def range(self) -> tuple[int, int]:
        """CCchar [ "-" CCchar ]: the lowest and the highest code point."""
        start = self.at
        low = high = ord(self.char("-[]"))
        if self.seen() == "-" and self.seen(1) not in ("]", ""):
            self.at += 1
            high = ord(self.char("-[]"))
        if low > high:
            raise self.error(f"a range from {chr(low)!r} down to {chr(high)!r}", start)
        return low, high

    def char(self, special: str) -> str:
        """NormalChar, CCchar or SingleCharEsc: the character it stands for."""
        start, char = self.at, self.seen()
        self.at += 1
        if char == "\\":
            char = self.seen()
            if not char or char not in ESCAPED:
                raise self.error(f"unknown escape {self.pattern[start : start + 2]!r}", start)
            self.at += 1
            return CONTROLS.get(char, char)
        if char in special or category(char) == "Cs":
            raise self.error(f"unexpected {char!r}", start)
        return char

    def category(self) -> frozenset[str]:
        """charClassEsc: the categories that it means."""
        end = self.pattern.find("}", self.at)
        name = self.pattern[self.at + 3 : end]
        if end < 0 or self.seen(2) != "{" or name not in CATEGORIES:
            raise self.error(f"unknown category {self.pattern[self.at : self.at + 6]!r}")
        negated = self.seen(1) == "P"
        self.at = end + 1
        return ALL - CATEGORIES[name] if negated else CATEGORIES[name]
