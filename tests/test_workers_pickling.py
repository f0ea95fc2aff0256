"""Whose code goes along with a function to another process, and what is said of functions that cannot be sent."""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import cloudpickle
import numpy as np
import pandas as pd
import pytest

from jaxsim.errors import InputError
from jaxsim.workers.by_value import dumps, is_users
from jaxsim.workers.functions import function_id, pickle_function

LOCK = threading.Lock()
HOLDER = {"lock": LOCK}


def column_sum(data, name="x"):
    return float(data[name].sum())


def uses_lock(data):
    with LOCK:
        return len(data)


def uses_holder(data):
    return HOLDER


def uses_user_of_lock(data):
    return [uses_lock(part) for part in data]


def around(lock):
    return lambda data: lock.locked()


def default(data, lock=LOCK):
    return lock


class Locked:
    def __init__(self):
        self.lock = LOCK

    def fit(self, data):
        return self.lock


END = ", which cannot be sent to a worker process; make it inside the function."


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (uses_lock, "uses_lock uses a global 'LOCK' of type _thread.lock"),
        (uses_holder, "uses_holder uses a global 'HOLDER' of type dict (cannot pickle '_thread.lock' object)"),
        (uses_user_of_lock, "uses_lock uses a global 'LOCK' of type _thread.lock"),
        (lambda data: [LOCK for _ in data], "<lambda> uses a global 'LOCK' of type _thread.lock"),
        (around(LOCK), "<lambda> uses 'lock', a variable of the function around it, of type _thread.lock"),
        (default, "default has a default of type _thread.lock"),
        (functools.partial(column_sum, name=LOCK), "column_sum is given the argument 'name' of type _thread.lock"),
        (functools.partial(column_sum, LOCK), "column_sum is given the argument 1 of type _thread.lock"),
        (functools.cache(uses_lock), "uses_lock uses a global 'LOCK' of type _thread.lock"),
        (Locked().fit, "Locked has an attribute 'lock' of type _thread.lock"),
    ],
)
def test_what_cannot_be_sent_is_named(function, words):
    with pytest.raises(InputError) as caught:
        pickle_function(function)
    assert str(caught.value) == words + END


def test_a_module_that_cannot_be_sent_is_named(tmp_path, monkeypatch):
    """It is used as a whole, so all that it holds would have to go along."""
    (tmp_path / "holder_of_locks.py").write_text("import threading\ncounter = 1\nlock = threading.Lock()\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("holder_of_locks")
    monkeypatch.setitem(sys.modules, "holder_of_locks", module)  # forgotten again afterwards
    with pytest.raises(InputError, match="holder_of_locks has a global 'lock' of type _thread") as caught:
        pickle_function(lambda data: module.counter)
    assert str(caught.value).endswith(END)


def test_what_is_no_function():
    with pytest.raises(InputError, match="a str was given where a function is needed"):
        pickle_function("column_sum")


def test_whose_code_is_whose():
    assert is_users(__file__)
    others = (json.__file__, np.__file__, pd.__file__, contextlib.__file__, pickle_function.__code__.co_filename)
    assert not any(map(is_users, others))
    assert is_users("<stdin>")
    assert not is_users("<frozen importlib._bootstrap>")


def test_other_pickles_stay_as_they_were():
    """cloudpickle's list of modules is everybody's: a function of this file goes by name again afterwards."""
    by_name = cloudpickle.dumps(column_sum)
    by_value = pickle_function(column_sum)
    assert len(by_value) > 2 * len(by_name)
    with pytest.raises(InputError):
        pickle_function(uses_lock)
    assert cloudpickle.dumps(column_sum) == by_name
    assert not cloudpickle.list_registry_pickle_by_value()


def test_functions_have_names():
    same, other = (pickle_function(function) for function in (column_sum, default_one))
    assert function_id(same) == function_id(pickle_function(column_sum)) != function_id(other)


def default_one(data, one=1):
    return one


def test_threads_pickle_one_after_the_other():
    """None of them may take a module from cloudpickle's list while another needs it there."""
    entered, go = threading.Event(), threading.Event()

    class Slow:
        def __reduce__(self):
            entered.set()
            assert go.wait(60)
            return int, ("1",)

    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(dumps, Slow())
        assert entered.wait(60)
        other = threads.submit(dumps, column_sum)
        with pytest.raises(TimeoutError):
            other.result(0.2)  # seconds; alone it takes a thousandth of that
        go.set()
        assert pickle.loads(one.result(60)) == 1
        assert pickle.loads(other.result(60))({"x": np.ones(3)}) == 3.0


# --- scripts

HELPER = """
import functools
OFFSET = 10.0
def shifted(data):
    return float(data["x"].sum()) + OFFSET
@functools.lru_cache(maxsize=None)
def table(n):
    return tuple(range(n))
def use_table(data):
    return len(table(4))
"""
SCRIPT = """
import functools, json, sys
import pandas as pd
import helper
from helper import shifted
from folder.inside import doubled
from jaxsim.workers.functions import Call, function_id, pickle_function, python_pool

SCALE = 2.0

class Result:
    def __init__(self, value):
        self.value = value

def plain(data):
    return inner(data) * SCALE

def inner(data):
    return float(data["x"].sum())

def through_module(data):
    return helper.shifted(data)

def through_folder(data):
    return doubled(data)

def result(data):
    return Result(inner(data))

def around(number):
    def closure(data):
        return inner(data) + number
    return closure

if __name__ == "__main__":
    functions = [plain, lambda data: SCALE, around(5.0), through_module, shifted, helper.use_table, through_folder,
                 functools.partial(shifted), result]
    data = pd.DataFrame({"x": [1.0, 2.0]})
    with python_pool(1) as pool:
        sent = [pickle_function(function) for function in functions]
        answers = list(pool.call_all(Call(one, function_id(one), (data,)) for one in sent))
    assert isinstance(answers[-1].value, Result), answers[-1].error
    answers[-1] = answers[-1].value
    print(json.dumps([getattr(answer, "error", "") or answer.value for answer in answers]))
"""


def test_functions_of_a_script_and_of_the_files_beside_it(tmp_path):
    """The workers find none of these files: the script's folder is on its own path only."""
    (tmp_path / "code" / "folder").mkdir(parents=True)
    (tmp_path / "code" / "script.py").write_text(SCRIPT)
    (tmp_path / "code" / "helper.py").write_text(HELPER)
    (tmp_path / "code" / "folder" / "inside.py").write_text("def doubled(data):\n    return 2 * float(data['x'].sum())\n")
    command = [sys.executable, str(tmp_path / "code" / "script.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert json.loads(done.stdout) == [6.0, 2.0, 8.0, 13.0, 13.0, 4, 6.0, 13.0, 3.0]
