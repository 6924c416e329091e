"""Runs only the tests of a list. Written by run-tests, for one run."""

import json
import os

import pytest
from _pytest.junitxml import mangle_test_address


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    with open(os.environ["RUN_TESTS_AGAIN"], encoding="utf-8") as file:
        wanted = {tuple(names) for names in json.load(file)}
    mine, others = [], []
    for item in items:
        names = mangle_test_address(item.nodeid)
        (mine if (".".join(names[:-1]), names[-1]) in wanted else others).append(item)
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = mine
