"""Python functions in worker processes: what they return, raise and print, and what they may do to the process."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import threading
import time
import types
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jaxsim.errors import InputError
from jaxsim.workers.functions import Call, PythonPool, function_id, pickle_function, python_pool

DATA = pd.DataFrame({"x": np.arange(6.0), "g": list("aabbcc")})
# Seconds: what waits this long is ended by somebody.
FOREVER = 60.0


@pytest.fixture(scope="module")
def pool():
    with python_pool(2) as made:
        yield made


def calls(function, *several, time_limit=FOREVER, **kwargs):
    sent = pickle_function(function)
    return [Call(sent, function_id(sent), args, kwargs, time_limit) for args in several or [(DATA,)]]


def ask(pool, function, *args, **more):
    (answer,) = pool.call_all(calls(function, args or (DATA,), **more))
    return answer


# --- functions

HERE = Path(__file__).name


def column_sum(data, name="x"):
    return float(data[name].sum())


def mean_of_groups(data):
    import scipy.stats  # noqa: PLC0415 - as users do with what takes long to import

    return float(scipy.stats.ttest_1samp(data.groupby("g")["x"].mean(), 0).statistic)


def fails(data):
    return only_one(data["x"])


def only_one(values):
    raise ValueError(f"too many\n  values: {len(values)}")


LINE = only_one.__code__.co_firstlineno + 1


def library_fails(data):
    return np.linalg.inv(np.zeros((2, 2)))


def prints(data):
    print("to standard output")
    print("to standard error", file=sys.stderr)
    os.system("echo from a process")
    warnings.warn("a warning", stacklevel=1)
    return len(data)


@functools.cache
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


@dataclass(frozen=True)
class Fitted:
    slope: float


def fitted(data, before=None):
    return Fitted(float(data["x"].iloc[1] - data["x"].iloc[0]) + (before.slope if isinstance(before, Fitted) else 0))


def warned(data):
    with warnings.catch_warnings(record=True) as heard:
        np.log(np.zeros(1))
    return [str(one.message) for one in heard]


def counts_processes(_):
    time.sleep(0.1)
    return os.getpid()


class TestAnswers:
    def test_a_value(self, pool):
        answer = ask(pool, column_sum)
        assert (answer.value, answer.error, answer.died) == (15.0, "", False)
        assert 0 < answer.seconds < FOREVER

    def test_arguments_and_order(self, pool):
        sent = pickle_function(column_sum)
        frames = [DATA.assign(y=float(i)) for i in range(20)]
        made = (Call(sent, function_id(sent), (frame,), {"name": "y"}) for frame in frames)
        assert [answer.value for answer in pool.call_all(made)] == [6.0 * i for i in range(20)]

    def test_all_workers_work(self, pool):
        pids = {answer.value for answer in pool.call_all(calls(counts_processes, *((i,) for i in range(6))))}
        assert pids == set(pool.pids)

    def test_packages_imported_when_it_runs(self, pool):
        assert ask(pool, mean_of_groups).value == pytest.approx(2.5 / np.sqrt(4 / 3), rel=1e-12)  # one operation, two orders

    def test_lambdas_closures_partials_methods_caches(self, pool):
        factor = 3.0
        made = [
            (len, 6),
            (lambda data, more=1: len(data) + more, 7),
            (lambda data: float((factor * data["x"]).sum()), 45.0),
            (functools.partial(column_sum, name="x"), 15.0),
            (np.shape, (6, 2)),
            (Adding(2.0).add, 17.0),
            (Adding(1.0), 16.0),
            (lambda data: fibonacci(30) + len(data), 832046),
        ]
        for function, value in made:
            answer = ask(pool, function)
            assert (answer.value, answer.error) == (value, "")

    def test_objects_of_a_users_class_there_and_back(self, pool):
        answer = ask(pool, fitted, DATA, Fitted(2.0))
        assert answer.value == Fitted(3.0)
        assert type(answer.value) is Fitted

    def test_warnings_can_be_heard_inside(self, pool):
        assert ask(pool, warned).value == ["divide by zero encountered in log"]

    def test_pools_are_shared_by_number_of_workers(self, pool):
        with python_pool(2) as same, python_pool(1) as other:
            assert same is pool
            assert len(other.pids) == 1
        assert not pool.closed
        assert other.closed


class Adding:
    def __init__(self, number):
        self.number = number

    def add(self, data):
        return column_sum(data) + self.number

    __call__ = add


class TestTrouble:
    def test_exceptions(self, pool):
        answer = ask(pool, fails)
        assert answer.error == f"ValueError: too many values: 6 ({HERE}, line {LINE})"
        assert (answer.value, answer.died) == (None, False)
        line = library_fails.__code__.co_firstlineno + 1  # of the user's own code, not of NumPy's
        assert ask(pool, library_fails).error == f"LinAlgError: Singular matrix ({HERE}, line {line})"

    @pytest.mark.parametrize(
        ("function", "words"),
        [
            (lambda data: sys.exit(3), f"SystemExit: 3 ({HERE}"),
            (lambda data: 1 / 0, "ZeroDivisionError: division by zero"),
            (lambda data: __import__("helper_of_mine"), "No module named 'helper_of_mine'"),
            (lambda data: __import__("helper_of_mine"), "import files of your own at the top of a script"),
            (lambda data, other: 1, "TypeError: "),
            (lambda data: input(), "EOFError"),
            (lambda data: (row for row in data), "<lambda> returned a value of type generator, which cannot be sent back"),
            (lambda data: threading.Lock(), "<lambda> returned a value of type _thread.lock, which cannot be sent back"),
        ],
    )
    def test_errors_in_words(self, pool, function, words):
        pids = pool.pids
        answer = ask(pool, function)
        assert words in answer.error
        assert (answer.value, answer.died) == (None, False)
        assert pool.pids == pids

    def test_what_cannot_be_read_here(self, pool):
        answer = ask(pool, lambda _: Read(_only_there, os.getpid()))
        assert answer.error.startswith("what the function returned cannot be read in this process: ZeroDivisionError")

    def test_functions_that_cannot_be_read_there(self, pool):
        """A compiled module of the user's own, say: it goes by name, and has no name there."""
        module = types.ModuleType("only_here")
        module.here = type("here", (), {"__module__": "only_here", "__reduce__": lambda self: (getattr, (module, "gone"))})
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "only_here", module)
            held = module.here
            answer = ask(pool, lambda data: held)
        assert answer.error.startswith("a worker process cannot read the function: ModuleNotFoundError: No module named 'only_")
        assert ask(pool, column_sum).value == 15.0

    def test_what_is_printed_is_not_shown(self, pool, capfd):
        assert ask(pool, prints).value == 6
        said = capfd.readouterr()
        assert (said.out, said.err) == ("", "")

    def test_processes_that_end(self, pool):
        def ends(data):
            print("x" * 500, "goodbye")
            os._exit(9)

        answer = ask(pool, ends)
        assert answer.died
        assert answer.error.startswith("the process that was fitting died: it ended with exit status 9; its last words: xxx")
        assert answer.error.endswith("goodbye")
        assert answer.error.count("x") < 400  # the last of what it printed
        assert ask(pool, column_sum).value == 15.0

    def test_processes_that_crash(self, pool):
        answer = ask(pool, lambda data: ctypes.string_at(0))
        assert answer.died
        assert "signal 11 (SIGSEGV)" in answer.error

    def test_time_limit(self, pool):
        start = time.perf_counter()
        late, other = pool.call_all([*calls(time.sleep, (FOREVER,), time_limit=0.3), *calls(column_sum)])
        assert time.perf_counter() - start < FOREVER / 2
        assert (late.value, late.died) == (None, True)
        assert late.error.endswith("it was ended after 0.3 s, the time limit")
        assert 0.3 <= late.seconds < FOREVER / 2
        assert other.value == 15.0

    def test_importing_takes_no_time_of_the_limit(self):
        """A fresh process reads the function, and with it what its file imports, before the clock starts."""
        slow = Read(_slowly)
        with PythonPool(1) as pool:
            answer = ask(pool, lambda data: slow, time_limit=0.4)
        assert (answer.value, answer.error) == (1.0, "")


class Read:
    """Is read by calling a function."""

    def __init__(self, function, *args):
        self.how = function, args

    def __reduce__(self):
        return self.how


def _only_there(pid):
    return 1 / (pid == os.getpid())


def _slowly():
    time.sleep(0.8)
    return 1.0


def test_bad_input(pool):
    lock = threading.Lock()
    with pytest.raises(InputError, match=r"argument 2 is of type _thread\.lock, which cannot be sent"):
        ask(pool, column_sum, DATA, lock)
    with pytest.raises(InputError, match=r"the argument 'name' is of type _thread\.lock, which cannot be sent"):
        ask(pool, column_sum, name=lock)
    for limit in (0, -1, True, "long", float("nan")):
        with pytest.raises(InputError, match="time_limit"):
            Call(b"", "", time_limit=limit)
    with pytest.raises(InputError, match="workers"):
        python_pool([2])
    with pytest.raises(InputError, match="must be Calls"):
        next(pool.call_all([column_sum]))


def test_workers_load_what_they_need():
    """No pandas and no JAX for functions that need neither: loading those takes longer than all the rest of a start."""

    def loaded(_):
        return sorted({"numpy", "pandas", "jax", "scipy", "rpy2"} & sys.modules.keys())

    with PythonPool(1) as pool:
        assert ask(pool, loaded, 0).value == []
        assert ask(pool, loaded, np.ones(3)).value == ["numpy"]
        assert "jax" not in ask(pool, loaded, DATA).value
