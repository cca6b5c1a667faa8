"""Processes that come up, stay up and leave nothing behind: see `supervisor`."""
