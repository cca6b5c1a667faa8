"""The examples for web applications, each in the framework that it is for, where that is installed."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from serve.test_mount import over_asgi, over_wsgi
from support import ROOT, wait_until

FRAMEWORKS = {"wsgi": "wsgiref", "flask": "flask", "django": "django", "starlette": "starlette"}


@pytest.fixture(scope="module", params=FRAMEWORKS)
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """What the file of an example defines, and how its application is asked; the first request starts its monitor."""
    if importlib.util.find_spec(FRAMEWORKS[request.param]) is None:
        pytest.skip(f"{FRAMEWORKS[request.param]} is not installed")
    name = f"example_of_{request.param}"
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{request.param}_app.py")
    assert spec is not None and spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)  # Django imports its routes by that name
    spec.loader.exec_module(module)
    ask = over_asgi if request.param == "starlette" else over_wsgi
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIMON_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        try:
            assert wait_until(lambda: ask(module.application, "/readyz")[0] == 200, 10.0)
            yield module.application, ask
        finally:
            module.monitor.stop()
    del sys.modules[name]


def test_the_application_answers_as_before(example: Any) -> None:
    """Its own routes are its own."""
    application, ask = example
    assert b"the shop is open\n" == ask(application, "/")[2]


@pytest.mark.parametrize("path", ["/health", "/livez", "/readyz", "/startupz", "/metrics", "/-/status"])
def test_minimon_answers_before_it(example: Any, path: str) -> None:
    """Without an error, whatever the framework does."""
    application, ask = example
    ask(application, "/readyz")
    assert 200 == ask(application, path)[0]


def test_the_page_is_below_the_prefix(example: Any) -> None:
    """With what is known."""
    application, ask = example
    status, _, body = ask(application, "/-/status")
    assert (200, ["queue", "search", "minimon"]) == (status, list(json.loads(body)["checks"]))


def test_other_paths_are_the_frameworks(example: Any) -> None:
    """Its 404 is its own."""
    application, ask = example
    if ask(application, "/nowhere")[2].startswith(b"the shop"):
        pytest.skip("this one has a single answer")
    assert (404, False) == (ask(application, "/nowhere")[0], b'"error"' in ask(application, "/nowhere")[2])
