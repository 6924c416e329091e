"""Says which test runs, and what it is doing when time is up. Written by run-tests, for one run."""

import faulthandler
import os
import signal

import pytest

FOLDER = os.path.dirname(os.path.abspath(__file__))
# Before pytest captures it.
STDERR = os.dup(2)
# Several processes at once, xdist's workers, would write into one another's lines.
DUMP = os.path.join(FOLDER, f"dump-{os.getpid()}")


try:
    # pytest writes its report when it is interrupted; not so when SIGTERM ends it, which comes next.
    signal.signal(signal.SIGURG, signal.default_int_handler)
    dump = os.open(DUMP, os.O_WRONLY | os.O_CREAT, 0o600)
    faulthandler.register(signal.SIGURG, file=dump, all_threads=True, chain=True)
except ValueError:
    # Not the main thread of its process: somebody runs pytest within something else.
    pass


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    path = os.path.join(FOLDER, f"running-{os.getpid()}")
    with open(path, "w", encoding="utf-8", errors="replace") as file:
        file.write(item.nodeid)
    yield
    try:
        os.remove(path)
    except OSError:
        pass


def pytest_unconfigure():
    try:
        with open(DUMP, "rb") as file:
            os.write(STDERR, file.read())
    except OSError:
        pass
