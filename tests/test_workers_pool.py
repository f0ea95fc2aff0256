"""Worker processes of any kind: order, deaths, time limits, memory, Ctrl-C, and who shares them."""

from __future__ import annotations

import io
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
from obedient import Number
from subprocesses import TESTS, until

from jaxsim.errors import InputError
from jaxsim.r import shared as r_shared
from jaxsim.workers.cores import usable_cores
from jaxsim.workers.pool import AHEAD, NotReady, Pool
from jaxsim.workers.protocol import pack, receive, send
from jaxsim.workers.seat import Job
from jaxsim.workers.shared import shared

OBEDIENT = "obedient:Obedient"
# Seconds: a task that waits this long is ended by somebody.
FOREVER = 60.0
WORKERS = 2


@pytest.fixture(scope="module", autouse=True)
def _found_by_workers():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(TESTS))
        yield


@pytest.fixture(scope="module")
def pool():
    with Pool(OBEDIENT, WORKERS) as made:
        yield made


def job(task, timeout=FOREVER):
    return Job(task, timeout, lambda reason, seconds: (reason, seconds))


def ask(pool, *tasks):
    return list(pool.answers(tasks, job))


class TestAnswers:
    def test_they_come_in_the_order_of_the_tasks(self, pool):
        seconds = [0.3, 0.0, 0.1, 0.0, 0.05, 0.0]
        assert ask(pool, *(("sleep", s) for s in seconds)) == seconds

    def test_large_ones(self, pool):
        """Larger than any pipe's buffer, in both directions."""
        numbers = np.random.default_rng(1).normal(size=500_000)
        (again,) = ask(pool, ("echo", numbers))
        np.testing.assert_array_equal(again, numbers)

    def test_tasks_are_read_as_they_are_needed_and_forgotten(self, pool):
        alive, taken, ahead = weakref.WeakSet(), 0, []

        def numbers():
            for i in range(10_000):
                ahead.append(i - taken)
                number = Number(i)
                alive.add(number)
                yield number

        most = 0
        for expected, answer in zip(range(10_000), pool.answers(numbers(), lambda number: job(("echo", number))), strict=True):
            assert answer == str(expected)
            taken += 1
            most = max(most, len(alive))
        assert max(ahead) < AHEAD * WORKERS
        assert most <= AHEAD * WORKERS + 2  # the one in hand, and the loop's own

    def test_a_refusal_comes_in_its_turn(self, pool):
        def refuse_three(number):
            if number == 3:
                raise InputError("three")
            return job(("echo", number))

        answers = pool.answers(range(9), refuse_three)
        assert [next(answers) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(InputError, match="three"):
            next(answers)

    def test_what_a_worker_is_sent_once(self):
        """And once more after it was replaced; it takes no time of the job's."""
        with Pool(OBEDIENT, 1) as pool:
            jobs = [Job(("echo", 1), 0.4, lambda *_: "lost", first=("nap", ("sleep", 0.6))) for _ in range(2)]
            assert list(pool.answers(jobs, lambda one: one)) == [1, 1]
            start = time.perf_counter()
            assert list(pool.answers(jobs, lambda one: one)) == [1, 1]
            assert time.perf_counter() - start < 0.6
            ask(pool, ("end", 0))
            start = time.perf_counter()
            assert list(pool.answers(jobs[:1], lambda one: one)) == [1]
            assert time.perf_counter() - start > 0.6

    def test_what_workers_print_is_not_shown(self, pool, capfd):
        ask(pool, ("say", "hello"))
        said = capfd.readouterr()
        assert (said.out, said.err) == ("", "")


class TestDeaths:
    def test_one_costs_one_task(self, pool):
        before = pool.pids
        (reason, seconds), *others = ask(pool, ("end", 7), *(("echo", i) for i in range(20)))
        assert reason == "the process that was fitting died: it ended with exit status 7; its last words: the end"
        assert 0 < seconds < FOREVER
        assert others == list(range(20))
        until("another in its place", lambda: len(pool.pids) == WORKERS)
        assert len(set(pool.pids) - set(before)) == 1

    def test_last_words_are_those_of_the_task(self):
        with Pool(OBEDIENT, 1) as pool:
            _, (reason, _) = ask(pool, ("say", "something else"), ("end", 3))
        assert reason.endswith("its last words: the end")

    def test_one_that_dies_with_nothing_to_do_costs_nothing(self):
        with Pool(OBEDIENT, 1) as pool:
            (pid,) = pool.pids
            os.kill(pid, signal.SIGKILL)
            until("dead", lambda: not pool.pids)
            assert ask(pool, ("echo", 1)) == [1]
            assert pool.pids != (pid,)
            assert not Path(f"/proc/{pid}").exists(), "no zombie"

    def test_each_task_has_its_own_time(self, pool):
        limits = {0.2: "late", FOREVER: "in time"}
        start = time.perf_counter()
        late, in_time = pool.answers(limits, lambda limit: job(("sleep", 0.6), limit))
        assert time.perf_counter() - start < FOREVER / 2
        assert late[0] == "the process that was fitting died: it was ended after 0.2 s, the time limit"
        assert 0.2 <= late[1] < FOREVER / 2
        assert in_time == 0.6

    def test_no_limit(self, pool):
        assert list(pool.answers([float("inf"), 1e300], lambda limit: job(("echo", limit), limit))) == [float("inf"), 1e300]

    def test_an_answer_that_cannot_be_read(self, pool):
        (reason, _), other = ask(pool, ("unreadable", None), ("echo", 2))
        assert "its answer could not be read: ZeroDivisionError('not here')" in reason
        assert other == 2

    def test_closing_does_not_wait(self):
        with Pool(OBEDIENT, 1) as pool:
            (pid,) = pool.pids
            answers = pool.answers([("sleep", FOREVER)] * 2, job)
            threading.Timer(0.3, pool.close).start()
            with pytest.raises(InputError, match="closed"):
                next(answers)
        assert not Path(f"/proc/{pid}").exists()
        assert pool.closed
        with pytest.raises(InputError, match="closed"):
            ask(pool, ("echo", 1))


class TestStart:
    @pytest.mark.parametrize(
        ("answering", "words"),
        [
            ("obedient:Lacking", "^there is no R$"),
            ("obedient:broken", "RuntimeError: broken on purpose"),
            ("obedient:Nobody", "AttributeError: .*Nobody"),
            ("nowhere:Obedient", "ModuleNotFoundError: No module named 'nowhere'"),
            ("os:abort", r"could not start: it was killed by signal 6 \(SIGABRT\)"),
        ],
    )
    def test_what_keeps_workers_from_starting(self, answering, words):
        with pytest.raises(NotReady, match=words):
            Pool(answering, 1)

    @pytest.mark.parametrize("workers", [0, 1.5, "two", True])
    def test_bad_numbers_of_workers(self, workers):
        with pytest.raises(InputError, match="workers"):
            Pool(OBEDIENT, workers)

    def test_what_they_are_and_what_they_find(self, pool):
        assert pool.versions == {"obedience": "1"}
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "JAX_PLATFORMS", "MPLBACKEND")
        assert ask(pool, *(("variable", name) for name in names)) == ["1", "1", "cpu", "Agg"]
        (loaded,) = ask(pool, ("loaded", None))
        assert not {"jax", "pandas", "numpy", "rpy2"} & set(loaded)
        assert 1 <= usable_cores() <= os.cpu_count()


PARENT = """
import json, signal, sys
from jaxsim.workers.pool import Pool
from jaxsim.workers.seat import Job
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with Ctrl-C ignored
def job(task):
    return Job(task, 60, lambda *_: "lost")
with Pool("obedient:Obedient", 1) as pool:
    print(*pool.pids, flush=True)
    waiting = pool.answers([("sleep", float(sys.argv[1]))], job)
    try:
        next(waiting)
    except KeyboardInterrupt:
        print(json.dumps(list(pool.answers([("pid", None)], job))), flush=True)
"""


class TestParents:
    def start(self, seconds: float) -> subprocess.Popen:
        command = [sys.executable, "-c", PARENT, str(seconds)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)

    def test_ctrl_c_reaches_only_the_parent(self):
        """A terminal sends it to the whole group of processes; the worker goes on and answers the next task."""
        with self.start(1.5) as parent:
            pid = int(parent.stdout.readline())
            time.sleep(0.3)
            os.killpg(parent.pid, signal.SIGINT)
            assert json.loads(parent.stdout.readline()) == [pid]
        assert parent.returncode == 0
        assert not Path(f"/proc/{pid}").exists()

    def test_workers_end_with_a_killed_parent(self):
        with self.start(FOREVER) as parent:
            pid = int(parent.stdout.readline())
            time.sleep(0.3)
            parent.kill()
        until("its worker's end", lambda: not Path(f"/proc/{pid}").exists(), FOREVER / 2)


class TestShared:
    class Fake:
        """A pool without processes."""

        def __init__(self):
            self.closed = False

        def close(self):
            self.closed = True

    @pytest.fixture(autouse=True)
    def _without_r(self, monkeypatch):
        monkeypatch.setattr(r_shared, "Pool", self.Fake)

    def test_it_is_one_until_the_last_has_left(self):
        with r_shared.shared_pool() as first:
            with r_shared.shared_pool() as second:
                assert second is first
            assert not first.closed
        assert first.closed
        with r_shared.shared_pool() as third:
            assert third is not first

    def test_one_that_was_closed_is_replaced(self):
        with r_shared.shared_pool() as first:
            first.close()
            with r_shared.shared_pool() as second:
                assert second is not first
            assert second.closed
        with r_shared.shared_pool() as third:
            assert not third.closed

    def test_an_error_closes_it(self):
        with pytest.raises(ZeroDivisionError), r_shared.shared_pool() as pool:
            raise ZeroDivisionError
        assert pool.closed

    def test_one_for_each_key(self):
        with shared("a", self.Fake) as one, shared("a", self.Fake) as same, shared("b", self.Fake) as other:
            assert same is one
            assert other is not one
        assert one.closed
        assert other.closed

    def test_a_slow_start_keeps_only_its_own_users_waiting(self):
        started, go = threading.Event(), threading.Event()
        made = itertools.count()

        def slow():
            next(made)
            started.set()
            assert go.wait(FOREVER)
            return self.Fake()

        def use():
            with shared("slow", slow) as pool:
                pools.append(pool)
                barrier.wait(FOREVER)

        pools, barrier = [], threading.Barrier(2)
        threads = [threading.Thread(target=use) for _ in range(2)]
        for thread in threads:
            thread.start()
        assert started.wait(FOREVER)
        with shared("quick", self.Fake) as pool:
            assert not pool.closed
        go.set()
        for thread in threads:
            thread.join(FOREVER)
        assert pools[0] is pools[1]
        assert next(made) == 1


def test_messages_survive_the_pipe():
    pipe = io.BytesIO()
    send(pipe, pack({"a": np.arange(3.0)}))
    send(pipe, pack("second"))
    pipe.seek(0)
    np.testing.assert_array_equal(receive(pipe)["a"], [0, 1, 2])
    assert receive(pipe) == "second"
    with pytest.raises(EOFError):
        receive(pipe)
    half = io.BytesIO(pipe.getvalue()[:-3])
    receive(half)
    with pytest.raises(EOFError):
        receive(half)
