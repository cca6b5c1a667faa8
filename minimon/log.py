"""The loggers: one for each module under `minimon`, whatever a vendored copy is called, silent until the host asks."""

from __future__ import annotations

import logging


class Log:
    """A logger that nobody has to be afraid of: a handler of the host that raises ends no thread of ours."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def tells(self, level: int) -> bool:
        """True when somebody listens at this level."""
        return self._logger.isEnabledFor(level)

    def listen(self, level: int) -> None:
        """From now on lines of this level count."""
        self._logger.setLevel(level)

    def log(
        self, level: int, text: str, *values: object, trace: bool = False, extra: dict[str, object] | None = None
    ) -> None:
        """A line, with the exception that is being handled if `trace`; `extra` are attributes of the record."""
        try:
            self._logger.log(level, text, *values, exc_info=trace, stacklevel=3, extra=extra)
        except Exception:  # told to nobody, for telling is what failed
            pass

    def debug(self, text: str, *values: object, extra: dict[str, object] | None = None) -> None:
        """A detail of one poll or request."""
        self.log(logging.DEBUG, text, *values, extra=extra)

    def info(self, text: str, *values: object) -> None:
        """A start, a stop, a change."""
        self.log(logging.INFO, text, *values)

    def warning(self, text: str, *values: object) -> None:
        """Something that should not be so."""
        self.log(logging.WARNING, text, *values)

    def exception(self, text: str, *values: object) -> None:
        """What the host's code raised, with its traceback."""
        self.log(logging.ERROR, text, *values, trace=True)


def logger(module: str) -> Log:
    """The logger `minimon.MODULE`. Without a handler Python would print warnings to a host's stderr."""
    root = logging.getLogger("minimon")
    if not root.handlers:
        root.addHandler(logging.NullHandler())
    return Log(f"minimon.{module}")
