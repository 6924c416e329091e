"""Lists the tests of a pytest session, or runs those of one shard. Written by run-tests, for one run."""

import json
import os

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    path = os.environ.get("RUN_TESTS_SHARD")
    if not path:
        return
    with open(path, encoding="utf-8") as file:
        shard = json.load(file)
    known, chosen = set(shard["all"]), set(shard["chosen"])
    mine, others = [], []
    for item in items:
        if item.nodeid not in known:
            # No shard would run it.
            raise pytest.UsageError(
                f"{item.nodeid} was not there when the tests were listed: tests that are named "
                "anew in each session cannot be sharded"
            )
        (mine if item.nodeid in chosen else others).append(item)
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = mine


def pytest_collection_finish(session):
    path = os.environ.get("RUN_TESTS_LIST")
    if path and not hasattr(session.config, "workerinput"):
        with open(path, "w", encoding="utf-8") as file:
            json.dump([item.nodeid for item in session.items], file)
