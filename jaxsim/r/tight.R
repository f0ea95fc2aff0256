# The same model taken further than lme4 takes it: two optimisers at tight tolerances, each restarted at its optimum,
# from one start ("tight") or several ("best"), and Newton steps at the end.

TIGHT <- list(
  lme4::lmerControl(optimizer = "nloptwrap", optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-12, maxeval = 1e5)),
  lme4::lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5)))

# lmerTest evaluates the call once more, in the formula's environment: everything the call names must be there.
fit_at <- function(formula, data, reml, control, theta, ...) {
  environment(formula) <- environment()
  start <- list(theta = theta)
  suppressMessages(suppressWarnings(lme4::lmer(formula, data = data, REML = reml, control = control, start = start, ...)))
}

fit_tight <- function(text, data, reml, effort) {
  formula <- as.formula(text)
  # lme4's own checks, so that data which it refuses are refused in its words.
  diagonal <- lme4::lFormula(formula, data, REML = reml)$reTrms$lower == 0
  tries <- expand.grid(scale = if (effort == "best") c(1, 0.1, 5) else 1, optimiser = seq_along(TIGHT))
  fits <- lapply(seq_len(nrow(tries)), function(i) tryCatch({
    control <- TIGHT[[tries$optimiser[i]]]
    once <- fit_at(formula, data, reml, control, tries$scale[i] * diagonal)
    fit_at(formula, data, reml, control, lme4::getME(once, "theta"))
  }, error = identity))
  failed <- vapply(fits, inherits, NA, "error")
  if (all(failed)) stop(fits[[1]])
  fits <- fits[!failed]
  best <- fits[[which.min(vapply(fits, criterion, 0))]]
  fit <- polish(best, formula, data, reml)
  polished <- !identical(fit, best)
  optinfo <- best@optinfo
  # What the optimiser's end lacked in stationarity the Newton steps have put right.
  if (polished) optinfo$conv$lme4$messages <- grep("max|grad|", optinfo$conv$lme4$messages, fixed = TRUE, value = TRUE, invert = TRUE)
  optinfo$feval <- sum(vapply(fits, function(one) as.numeric(c(one@optinfo$feval, NA)[1]), 0))
  fit@optinfo <- optinfo
  lmerTest::as_lmerModLmerTest(fit)
}

# Without derivatives theta is found to the square root of the criterion's noise, about 1e-7; Newton steps on difference
# quotients take it to about 1e-9. Not near the boundary, where theta is not unique and the Hessian nearly flat.
# Quotients over 5% of theta: the package's default of 0.01% drowns in rounding, and it extrapolates the rest away.
polish <- function(fit, formula, data, reml) {
  theta <- lme4::getME(fit, "theta")
  if (min(theta[lme4::getME(fit, "lower") == 0]) < 1e-3) return(fit)
  deviance <- fit_at(formula, data, reml, lme4::lmerControl(), theta, devFunOnly = TRUE)
  newton <- theta
  for (step in 1:3) {
    gradient <- numDeriv::grad(deviance, newton, method.args = list(d = 0.05))
    newton <- newton - tryCatch(solve(numDeriv::hessian(deviance, newton), gradient), error = function(e) NaN)
    if (!all(is.finite(newton)) || max(abs(newton - theta)) > 1e-3) return(fit)
  }
  polished <- fit_at(formula, data, reml, lme4::lmerControl(optimizer = NULL), newton)
  if (criterion(polished) <= criterion(fit) + 1e-9) polished else fit   # 1e-9: rounding of the criterion
}
