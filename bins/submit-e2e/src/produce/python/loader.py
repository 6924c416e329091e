"""Calls the functions of py_func entries, each in a process of its own.

submit-e2e starts it as `python3 loader.py REQUEST.json`. It forks a process for each function, so
that Python itself and the standard library are loaded once, and none of the functions sees what
another one did. It needs Python 3.6 or later, and nothing but its standard library.

What it prints is one JSON object a line: {"ready": true} first, then {"index", "line"} for each line
that a function prints, and {"index", "workflow"} or {"index", "error"} for its end.
"""

import collections.abc
import datetime
import difflib
import functools
import importlib
import importlib.abc
import importlib.util
import inspect
import json
import logging
import math
import os
import random
import re  # noqa: F401  loaded for the functions, as the others marked so
import selectors
import signal
import subprocess  # noqa: F401
import sys
import tempfile  # noqa: F401
import time
import traceback
import urllib.parse  # noqa: F401
import uuid  # noqa: F401

MOST_RESULT = 10 * 1024 * 1024
MOST_LINE = 16 * 1024
MOST_TRACEBACK_LINES = 40
# What modules that functions are known to need are called on PyPI; others' names may be anybody's.
PACKAGES = {name: " (%s)" % package for name, package in {
    "yaml": "PyYAML", "six": "six", "google": "google-cloud-storage", "kubernetes": "kubernetes",
    "googleapiclient": "google-api-python-client", "retrying": "retrying"}.items()}


class Mistake(Exception):
    """What is wrong with a function, its arguments or what it gives."""

    def __init__(self, what, hint="", item=None):
        super().__init__(what)
        self.error = {"what": what, "hint": hint, "item": item, "traceback": []}


# ---- In the process of a function


def find(name):
    """The function or class that a dotted name stands for."""
    parts = name.split(".")
    missing = None
    for size in range(len(parts) - 1, 0, -1):
        module_name = ".".join(parts[:size])
        try:
            found = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            own = error.name and (module_name + ".").startswith(error.name + ".")
            if not own:
                raise
            missing = missing or error
            continue
        for at, part in enumerate(parts[size:], size):
            if not hasattr(found, part):
                place = getattr(found, "__file__", None)
                if missing and size < len(parts) - 1 and at == size:
                    # Python has packages of its own by names like `test`.
                    raise Mistake("cannot import %s: %s" % (name, missing),
                                  "%s is %s; searched: %s" % (module_name, place, searched()))
                what = "%s has no %s" % (".".join(parts[:at]), part)
                close = difflib.get_close_matches(part, dir(found), 3)
                raise Mistake(what, "it has: " + ", ".join(close) if close else "it is %s" % place)
            found = getattr(found, part)
        if not callable(found):
            raise Mistake("%s is no function but a %s" % (name, type(found).__name__))
        return found
    raise Mistake("cannot import %s: %s" % (name, missing),
                  "python_paths of the file names the folders that hold the modules; searched: "
                  + searched())


def searched():
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return ", ".join(path for path in paths if path) or "no folder, as the file has no python_paths"


def choose(target, job):
    """The arguments for a function: its entry's own, and those of ours that it takes."""
    name = job["function"]
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return dict(job["kwargs"])
    takes_any = any(one.kind is one.VAR_KEYWORD for one in parameters)
    named = {one.name: one for one in parameters
             if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}
    for own in job["kwargs"]:
        if own not in named and not takes_any:
            raise Mistake("%s takes no argument %r" % (name, own),
                          "it takes: " + (", ".join(named) or "none"), own)
    arguments = {}
    for own, value in job["optional"].items():
        if own in named:
            arguments[own] = value
    for own, value in job["standard"].items():
        if own in named or takes_any:
            arguments[own] = value
    arguments.update(job["kwargs"])
    for own, value in job["fixed"].items():
        if own in named or takes_any:
            arguments[own] = value
    for own, parameter in named.items():
        if own not in arguments and parameter.default is parameter.empty:
            if own == "namespace":
                arguments[own] = None
                continue
            raise Mistake("%s needs an argument %r" % (name, own),
                          "give it under kwargs of the entry")
    return arguments


def plain(value, place, above):
    """A value as JSON has it. Python's own types become the nearest ones."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise Mistake("%s of the workflow is no valid text" % place)
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Mistake("%s of the workflow is %r, which has no place in a workflow" % (place, value))
        return float(value)
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if id(value) in above:
        raise Mistake("%s of the workflow holds itself" % place)
    above = above | {id(value)}
    if isinstance(value, collections.abc.Mapping):
        result = {}
        for key, item in value.items():
            if not isinstance(key, (str, int, float, bool)):
                raise Mistake("%s of the workflow has a key that is a %s" % (place, type(key).__name__))
            text = json.dumps(key) if isinstance(key, (bool, float)) else str(key)
            result[text] = plain(item, "%s.%s" % (place, text), above)
        return result
    if isinstance(value, (list, tuple)):
        return [plain(item, "%s[%d]" % (place, index), above) for index, item in enumerate(value)]
    raise Mistake("%s of the workflow is a %s" % (place, type(value).__name__),
                  "a workflow is made of dicts, lists, texts, numbers, True, False and None")


def call(job):
    """The workflow of one function."""
    target = find(job["function"])
    result = target(**choose(target, job))
    if not isinstance(result, collections.abc.Mapping) and callable(getattr(result, "build", None)):
        result = result.build()
    if not isinstance(result, collections.abc.Mapping) and callable(getattr(result, "to_dict", None)):
        result = result.to_dict()
    if result is None:
        raise Mistake("%s returned None" % job["function"], "does it end with `return workflow`?")
    if not isinstance(result, collections.abc.Mapping):
        raise Mistake("%s returned a %s" % (job["function"], type(result).__name__),
                      "it has to return the Workflow as a dict, or an object whose build() does")
    return plain(result, "the root", frozenset())


def own_traceback(error):
    """The lines of an exception, without the frames of this file and of the import system."""
    told = traceback.TracebackException.from_exception(error)
    one, seen = told, set()
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        frames = [frame for frame in one.stack
                  if frame.filename not in (__file__, importlib.__file__)
                  and not frame.filename.startswith("<frozen ")]
        one.stack = traceback.StackSummary.from_list(frames)
        one = one.__cause__ or one.__context__
    lines = "".join(told.format()).splitlines()
    if len(lines) > MOST_TRACEBACK_LINES:
        left_out = "  ... %d lines ..." % (len(lines) - MOST_TRACEBACK_LINES)
        lines = lines[:3] + [left_out] + lines[3 - MOST_TRACEBACK_LINES:]
    return lines


def explain(job, error):
    """What is told of an exception that a function did not catch."""
    if isinstance(error, Mistake):
        return error.error
    if isinstance(error, SystemExit):
        return Mistake("%s ended its process with exit code %r" % (job["function"], error.code)).error
    what = "%s raised %s: %s" % (job["function"], type(error).__name__, error)
    hint = ""
    if isinstance(error, ModuleNotFoundError):
        hint = ("install the package that has it for the Python that --python names%s, or name its "
                "folder in python_paths" % PACKAGES.get(str(error.name).partition(".")[0], ""))
    elif isinstance(error, RecursionError):
        hint = "does it call itself without an end?"
    return {"what": what, "hint": hint, "item": None, "traceback": own_traceback(error)}


def be_function(job, log, result):
    """The whole life of a function's process."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    os.dup2(log, 1)
    os.dup2(log, 2)
    # Nothing of this program's own is left for the function to write to.
    os.closerange(3, result)
    os.closerange(result + 1, 256)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)
    random.seed()
    logging.basicConfig(level=logging.INFO,
                        format="%(levelname)s %(pathname)s:%(lineno)d %(message)s")
    try:
        told = {"workflow": call(job)}
    except BaseException as error:  # whatever it is, it is told
        told = {"error": explain(job, error)}
    text = json.dumps(told).encode("ascii")
    if len(text) > MOST_RESULT:
        what = "%s returned more than %d MiB" % (job["function"], MOST_RESULT >> 20)
        text = json.dumps({"error": Mistake(what).error}).encode("ascii")
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    write_all(result, text + b"\n")
    os._exit(0)


# ---- In the process that all of them come from


def write_all(descriptor, content):
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view):]


def tell(message):
    write_all(1, json.dumps(message).encode("ascii") + b"\n")


class Run:
    """A function whose process runs."""

    def __init__(self, job, limit, selector):
        self.job, self.selector, self.deadline = job, selector, time.monotonic() + limit
        log, log_end = os.pipe()
        result, result_end = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                be_function(job, log_end, result_end)
            finally:
                os._exit(70)
        os.close(log_end)
        os.close(result_end)
        self.buffers = {log: bytearray(), result: bytearray()}
        self.log, self.result = log, result
        for descriptor in (log, result):
            os.set_blocking(descriptor, False)
            selector.register(descriptor, selectors.EVENT_READ, self)

    def read(self, descriptor):
        """Reads what is there; False when nothing is."""
        try:
            piece = os.read(descriptor, 65536)
        except BlockingIOError:
            return False
        if not piece:
            if descriptor in self.selector.get_map():
                self.selector.unregister(descriptor)
            return False
        buffer = self.buffers[descriptor]
        buffer += piece
        if descriptor == self.log:
            self.tell_lines()
        return True

    def tell_lines(self, last=False):
        buffer = self.buffers[self.log]
        while buffer:
            end = buffer.find(b"\n", 0, MOST_LINE)
            if end < 0 and len(buffer) < MOST_LINE and not last:
                return
            line = bytes(buffer[:end if end >= 0 else MOST_LINE])
            del buffer[:len(line) + (end >= 0)]
            tell({"index": self.job["index"], "line": line.decode("utf-8", "replace")})

    def end(self, status, late):
        # What the process wrote before its end is still in the pipes; what others that it started
        # write from now on is not waited for.
        for descriptor in (self.log, self.result):
            for _ in range(1024):
                if not self.read(descriptor):
                    break
        self.tell_lines(last=True)
        for descriptor in (self.log, self.result):
            if descriptor in self.selector.get_map():
                self.selector.unregister(descriptor)
            os.close(descriptor)
        try:
            told = json.loads(self.buffers[self.result].decode("ascii"))
        except ValueError:
            name = self.job["function"]
            if late is not None:
                error = Mistake("%s did not return within %s" % (name, late),
                                "give it more with --render-timeout, if it has to take so long")
            elif os.WIFSIGNALED(status):
                number = os.WTERMSIG(status)
                error = Mistake("the process of %s was killed by signal %d" % (name, number))
            else:
                error = Mistake("the process of %s ended with exit code %d and gave no workflow"
                                % (name, os.WEXITSTATUS(status)))
            told = {"error": error.error}
        told["index"] = self.job["index"]
        tell(told)


class YamlTeacher(importlib.abc.MetaPathFinder):
    """Gives yaml.load without a Loader the safe one, as functions written before PyYAML 6 expect."""

    def find_spec(self, name, path=None, target=None):
        if name != "yaml":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and hasattr(spec.loader, "exec_module"):
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                self.teach(module)

            spec.loader.exec_module = exec_module
        return spec

    @staticmethod
    def teach(yaml):
        for name in ("load", "load_all"):
            load = getattr(yaml, name, None)
            if load is None or not hasattr(yaml, "SafeLoader"):
                continue

            def safe(stream, Loader=yaml.SafeLoader, load=load):
                return load(stream, Loader)

            setattr(yaml, name, functools.wraps(load)(safe))


def warm_up():
    """Loads what most functions import, once for all; nothing of the repositories themselves."""
    sys.meta_path.insert(0, YamlTeacher())
    own = [os.path.realpath(path) + os.sep for path in os.environ.get("PYTHONPATH", "").split(os.pathsep)
           if path]
    for name in ("yaml", "six"):
        try:
            spec = importlib.machinery.PathFinder.find_spec(name)
            origin = os.path.realpath(spec.origin) if spec and spec.origin else ""
            if origin and not any(origin.startswith(path) for path in own):
                importlib.import_module(name)
        except Exception:  # the function that needs it will tell
            pass


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        request = json.load(file)
    del sys.argv[1:]
    # What this file lies beside is no place for modules.
    if sys.path and os.path.realpath(sys.path[0]) == os.path.dirname(os.path.realpath(__file__)):
        del sys.path[0]
    if sys.version_info >= (3, 8):
        sys.pycache_prefix = request["cache"]
    else:
        sys.dont_write_bytecode = True
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(128 + number))
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(128 + number))
    tell({"ready": True})
    warm_up()
    wake, waker = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(waker, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    selector = selectors.DefaultSelector()
    selector.register(wake, selectors.EVENT_READ, None)
    waiting = list(reversed(request["functions"]))
    running = {}
    while waiting or running:
        while waiting and len(running) < request["at_once"]:
            run = Run(waiting.pop(), request["limit"], selector)
            running[run.pid] = run
        first = min(run.deadline for run in running.values())
        for key, _ in selector.select(max(0, first - time.monotonic())):
            if key.data is None:
                os.read(wake, 4096)
            else:
                key.data.read(key.fd)
        for pid, run in list(running.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            late = None
            if ended == 0 and time.monotonic() >= run.deadline:
                os.kill(pid, signal.SIGKILL)
                ended, status = os.waitpid(pid, 0)
                late = request["limit_text"]
            if ended:
                del running[pid]
                run.end(status, late)


if __name__ == "__main__":
    main()
