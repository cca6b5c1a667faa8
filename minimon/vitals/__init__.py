"""Vitals of the host, read from /proc and /sys: for checks, metrics and REST, of which the last may be left out."""
