"""R functions that a user wrote: what they get, what they may return, and their errors in R's words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from r_workers import SLEEP, rows, simulated

from jaxsim.errors import InputError
from jaxsim.r.code_outcome import from_code
from jaxsim.r.code_request import CodeRequest, check_text, encode_data
from jaxsim.r.request import Request
from jaxsim.r.shared import shared_pool
from jaxsim.status import Status

NLME = """
library(nlme)
function(data) {
  m <- lme(Reaction ~ Days, random = ~Days | Subject, data = data)
  s <- summary(m)$tTable
  list(table = data.frame(term = rownames(s), estimate = s[, 1], std_error = s[, 2], df = s[, 3], statistic = s[, 4],
                          p_value = s[, 5]),
       sigma = m$sigma, criterion = -2 * as.numeric(logLik(m)), converged = TRUE)
}
"""
ONE = "data.frame(term = 'x', estimate = 1)"


def function(body):
    return f"function(data) {{ {body} }}"


@pytest.mark.lme4
class TestCode:
    def call(self, pool, *codes, data=None, **options):
        data = simulated() if data is None else data
        return list(pool.map_code(CodeRequest(code, data, **options) for code in codes))

    def test_nlme_is_lme4_at_the_same_optimum(self, pool):
        data = rows("sleepstudy")
        (theirs,) = self.call(pool, NLME, data=data)
        lme4 = pool.fit(Request(SLEEP, data, effort="tight"))
        assert theirs.status is Status.OK, theirs.message
        assert theirs.converged
        assert not theirs.singular
        assert theirs.table["term"] == ["(Intercept)", "Days"]
        # nlme's optimiser stops at a relative change of 1e-6 of the criterion or less, which leaves 1e-3 of the covariance.
        np.testing.assert_allclose(theirs.table["estimate"], lme4.estimate, rtol=1e-6)
        np.testing.assert_allclose(theirs.table["std_error"], lme4.std_error, rtol=1e-3)
        assert theirs.table["df"] == [161.0, 161.0]  # inner-outer: 180 rows less 18 groups less one slope
        assert theirs.sigma == pytest.approx(lme4.sigma, rel=1e-3)
        assert theirs.criterion == pytest.approx(lme4.criterion, rel=1e-6)
        assert theirs.seconds > 0
        assert "R" in theirs.versions

    def test_what_the_function_gets(self, pool):
        data = pd.DataFrame({
            "number": [1.5, np.nan, 3.0, 4.0], "whole": [1, 2, 3, 4], "text": ["b", "a", None, "B"],
            "logical": [True, False, True, True], "maybe": [True, None, False, True],
            "factor": pd.Categorical(["x", "y", "x", None], categories=["y", "x", "z"]),
        })  # fmt: skip
        code = function("""
          words <- c(paste(sapply(data, class), collapse = " "), paste(levels(data$text), collapse = " "),
                     paste(levels(data$factor), collapse = " "), paste(is.na(as.matrix(data)) * 1, collapse = ""),
                     paste(data$logical, collapse = " "), paste(data$maybe, collapse = " "))
          setNames(seq_along(words), words)""")
        (outcome,) = self.call(pool, code, data=data)
        missing = np.zeros((4, 6), int)
        missing[1, 0] = missing[2, 2] = missing[1, 4] = missing[3, 5] = 1
        assert outcome.table["term"] == [
            "numeric numeric factor logical logical factor", "a b B", "y x", "".join(map(str, missing.T.ravel())),
            "TRUE FALSE TRUE TRUE", "TRUE NA FALSE TRUE",
        ], outcome.message  # fmt: skip

    def test_what_it_may_return(self, pool):
        outcomes = self.call(
            pool,
            function("c(a = 1, b = NA, c = 3L)"),
            function("data.frame(term = factor(c('u', 'v')), estimate = 1:2, std_error = NA, conf_low = c(0, NA))"),
            function("list(table = c(a = 2), status = 'not_converged', message = 'tried\nhard', sigma = 3L, criterion = NA)"),
            function("list(table = c(a = 2), converged = FALSE)"),
            function("list(table = c(a = 2), singular = TRUE)"),
            function("list(status = 'too_few_groups', message = 'one group')"),
        )
        assert [outcome.status for outcome in outcomes] == [
            Status.OK, Status.OK, Status.NOT_CONVERGED, Status.NOT_CONVERGED, Status.SINGULAR, Status.TOO_FEW_GROUPS,
        ], [outcome.message for outcome in outcomes]  # fmt: skip
        vector, frame, listed, _, singular, without = outcomes
        assert vector.table["term"] == ["a", "b", "c"]
        np.testing.assert_array_equal(vector.table["estimate"], [1, np.nan, 3])
        assert list(frame.table) == ["term", "estimate", "std_error", "conf_low"]
        assert frame.table["term"] == ["u", "v"]
        np.testing.assert_array_equal(frame.table["std_error"], [np.nan, np.nan])
        np.testing.assert_array_equal(frame.table["conf_low"], [0, np.nan])
        assert (listed.message, listed.sigma, listed.converged) == ("tried hard", 3.0, False)
        assert np.isnan(listed.criterion)
        assert (singular.singular, singular.converged) == (True, True)
        assert (without.table, without.message, without.converged) == ({}, "one group", False)
        for outcome in outcomes:
            assert all(type(value) is float for name, values in outcome.table.items() if name != "term" for value in values)

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ("stop('no such luck')", "no such luck"),
            ("list(1)[[2]]", "subscript out of bounds"),
            ("nothing + 1", "object 'nothing' not found"),
            ("lm(y ~ x, data)", "an object of class 'lm'. It must return a data.frame"),
            ("c(1, 2)", "a value of class 'numeric' without names"),
            ("'text'", "a value of class 'character'"),
            ("NULL", "a value of class 'NULL'"),
            ("as.matrix(c(a = 1))", "a value of class 'matrix'"),
            ("list(1)", "a list with the entry ''"),
            ("list(tabel = 1)", "a list with the entry 'tabel'"),
            ("data.frame(estimate = 1)", "a table without the column 'term'"),
            ("data.frame(term = 'x', estimate = 1, SE = 2)", "a table with the column 'SE'"),
            ("data.frame(term = 1, estimate = 1)", "a column 'term' that is no text"),
            ("data.frame(term = 'x', estimate = 'y')", "a column 'estimate' that holds no numbers"),
            ("data.frame(term = character(), estimate = numeric())", "a table without rows"),
            ("c(x = 1, x = 2)", "the term 'x' twice"),
            ("c(x = 1, 2)", "an estimate without a name"),
            (f"list(table = {ONE}, status = 'fine')", "status='fine' is not known"),
            (f"list(table = {ONE}, status = c('ok', 'ok'))", "a 'status' that is not text"),
            (f"list(table = {ONE}, sigma = 'big')", "a 'sigma' that is not a number"),
            (f"list(table = {ONE}, converged = NA)", "a 'converged' that is not TRUE or FALSE"),
            (f"list(table = {ONE}, converged = 1)", "a 'converged' that is not TRUE or FALSE"),
            ("list(message = 'nothing')", "no 'table', and no status that says why"),
        ],
    )
    def test_what_is_refused(self, pool, body, words):
        (outcome,) = self.call(pool, function(body))
        assert outcome.status is Status.REFUSED
        assert words in outcome.message
        assert outcome.table == {}
        assert not outcome.converged

    def test_it_leaves_no_traces(self, pool, capfd, tmp_path, monkeypatch):
        """Not in what the next function or lme4 finds, not on the terminal, not in the folder."""
        monkeypatch.chdir(tmp_path)
        noise = function(f"options(contrasts = c('contr.sum', 'contr.poly')); cat('noise'); warning('noise'); plot(1); {ONE}")
        code = function("c(a = (getOption('contrasts')[[1]] == 'contr.treatment') * 1)")
        outcomes = self.call(pool, *[noise] * 8, *[code] * 8)
        assert [outcome.status for outcome in outcomes] == [Status.OK] * 16
        assert [outcome.table["estimate"] for outcome in outcomes[8:]] == [[1.0]] * 8
        said = capfd.readouterr()
        assert (said.out, said.err) == ("", "")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("code", "words"),
        [
            ("function(data) {\n  data$x }}", "cannot be parsed: line 2, column 11: unexpected '}'"),
            ("function(data) {", "cannot be parsed: line 2, column 0: unexpected end of input"),
            ("library(nowhere)\nfunction(data) 1", "there is no package called .nowhere."),
            ("1 + 1", "gives a value of class 'numeric'; it must give a function"),
            ("# nothing", "gives a value of class 'NULL'"),
            ("function() 1", "must take one argument, the data frame; it takes none"),
            ("function(data, weights) 1", "it takes 'data', 'weights'"),
        ],
    )
    def test_code_that_r_cannot_read(self, pool, code, words):
        with pytest.raises(InputError, match=words.replace("(", r"\(")):
            pool.check_code(code)
        (outcome,) = self.call(pool, code)
        assert outcome.status is Status.REFUSED

    @pytest.mark.parametrize(
        "code", [NLME, "function(data) 1", "helper <- function(x) x\r\nfunction(data, y = '', ...) helper(data)", "nrow", "\\(d) 1"]
    )
    def test_code_that_r_can_read(self, pool, code):
        pool.check_code(code)

    def test_bad_requests(self, pool):
        with pytest.raises(InputError, match="a Request was given"):
            next(pool.map_code([Request(SLEEP, rows("sleepstudy"))]))
        with pytest.raises(InputError, match="a CodeRequest was given"):
            next(pool.map([CodeRequest("nrow", simulated())]))

    def test_processes_that_end_or_take_too_long(self, pool):
        """The last of these tests: nobody waits for the R that takes their places."""
        codes = (function(ONE), function("quit(status = 7)"), function("Sys.sleep(60)"))
        well, ended, late = pool.map_code(CodeRequest(code, simulated(), 1.5) for code in codes)
        assert well.table == {"term": ["x"], "estimate": [1.0]}
        assert ended.status is late.status is Status.CRASHED
        assert "exit status 7" in ended.message
        assert "1.5 s, the time limit" in late.message
        assert 1.5 <= late.seconds < 50


class TestWithoutR:
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"code": " "}, "code=' '"),
            ({"code": len}, "must be text"),
            ({"data": [1]}, "DataFrame"),
            ({"data": pd.DataFrame([[1, 2]], columns=["a", "a"])}, "2 columns named 'a'"),
            ({"time_limit": 0}, "time_limit=0"),
            ({"time_limit": float("nan")}, "time_limit=nan"),
        ],
    )
    def test_requests_are_checked(self, change, words):
        with pytest.raises(InputError, match=words):
            CodeRequest(**{"code": "nrow", "data": simulated(), **change})

    def test_columns_that_r_cannot_be_given(self):
        with pytest.raises(InputError, match="column 'when' holds Timestamp"):
            encode_data(pd.DataFrame({"when": pd.to_datetime(["2020-01-01"])}))

    def test_a_status_with_numbers_needs_some(self):
        with pytest.raises(InputError, match="no status that says why"):
            from_code({"table": None, "status": ["singular"]})
        assert from_code({"table": None, "status": ["zero_residual"]}).status is Status.ZERO_RESIDUAL

    def test_r_that_is_not_there(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.delenv("R_HOME", raising=False)
        with pytest.raises(InputError, match="R is not on the PATH"), shared_pool() as pool:
            pool.check_code("nrow")
        with pytest.raises(InputError, match="code="):
            check_text("")
