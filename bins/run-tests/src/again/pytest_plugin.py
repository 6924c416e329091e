"""Runs all tests, or only those of a list. Written by run-tests, for one run."""

import json
import os

import pytest
from _pytest.junitxml import mangle_test_address

FOLDER = os.path.dirname(os.path.abspath(__file__))
WANTED = os.path.join(FOLDER, "again.json")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    # Tests that did not run would be green once those that failed pass.
    config.option.maxfail = 0
    for name in ("stepwise", "stepwise_skip", "stepwise_reset"):
        if hasattr(config.option, name):
            setattr(config.option, name, False)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    if not os.path.exists(WANTED):
        return
    with open(WANTED, encoding="utf-8") as file:
        wanted = {tuple(names) for names in json.load(file)}
    mine, others = [], []
    for item in items:
        names = mangle_test_address(item.nodeid)
        (mine if (".".join(names[:-1]), names[-1]) in wanted else others).append(item)
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = mine


def stopped_early():
    with open(os.path.join(FOLDER, "stopped"), "w"):
        pass


def pytest_keyboard_interrupt():
    # pytest.exit() as well.
    stopped_early()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session, exitstatus):
    if hasattr(session.config, "workerinput"):
        return
    if exitstatus in (2, 3) or session.shouldstop or session.shouldfail:
        stopped_early()
    # No test of the list is in this session: what started it may start another one.
    if exitstatus == 5 and os.path.exists(WANTED):
        session.exitstatus = 0
