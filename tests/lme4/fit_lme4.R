# Fit a linear mixed model to many stacked datasets with lme4 and lmerTest.
#
#   Rscript fit_lme4.R input.csv output.json [formula] [REML|ML] [default|tight|best]
#
# input.csv: columns dataset, Group, DV, IV1.. IVk.  Formula: DV ~ IV1 + .. + (IV1 + .. | Group) unless given.
# effort  default  lme4 as it comes (stops early: the criterion is good to about 1e-6 or worse)
#         tight    two optimisers at tight tolerances, each restarted from its optimum, then polished
#         best     tight from several starts: the surface can have several local optima
# Times are CPU seconds; `inference` is the Satterthwaite summary of lmerTest.

suppressMessages({ library(lme4); library(lmerTest) })

this_file <- function() {
  from_source <- Filter(Negate(is.null), lapply(sys.frames(), function(frame) frame$ofile))
  if (length(from_source)) from_source[[length(from_source)]]
  else sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
}
source(file.path(dirname(this_file()), "common.R"))

criterion <- function(fit) -2 * as.numeric(logLik(fit))   # the REML criterion for a REML fit

# The formula gets this frame as its environment: lmerTest evaluates the call once more and must find the arguments.
fit_once <- function(formula, data, reml, control = lmerControl(), start = NULL, ...) {
  environment(formula) <- environment()
  lme4::lmer(formula, data = data, REML = reml, control = control, start = start, ...)
}

OPTIMISERS <- list(
  lmerControl(optimizer = "nloptwrap", optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-12, maxeval = 1e5)),
  lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5)))

fit_lmm <- function(formula, data, reml = TRUE, effort = c("default", "tight", "best")) {
  effort <- match.arg(effort)
  if (effort == "default") return(fit_once(formula, data, reml))
  # lFormula runs lme4's own checks, so a dataset that lme4 refuses fails here with lme4's message.
  on_diagonal <- lFormula(formula, data, REML = reml)$reTrms$lower == 0
  scales <- if (effort == "best") c(1, 0.1, 5) else 1
  tries <- expand.grid(scale = scales, optimiser = seq_along(OPTIMISERS))
  fits <- lapply(seq_len(nrow(tries)), function(i) tryCatch(suppressMessages(suppressWarnings({
    control <- OPTIMISERS[[tries$optimiser[i]]]
    first <- fit_once(formula, data, reml, control, start = list(theta = tries$scale[i] * on_diagonal))
    fit_once(formula, data, reml, control, start = list(theta = getME(first, "theta")))
  })), error = identity))
  failed <- vapply(fits, inherits, NA, "error")
  if (all(failed)) stop(fits[[1]])
  fits <- fits[!failed]
  polish(fits[[which.min(vapply(fits, criterion, 0))]], formula, data, reml)
}

# An optimiser without derivatives finds theta to about 1e-7, the square root of the noise of the criterion.
# Newton steps on numerical derivatives take it to about 1e-9. Not at a singular fit: there theta is not
# unique and the Hessian nearly flat, so compare covariances there, never theta.
# Steps of 5% of theta: the default 0.01% drowns in rounding, and the extrapolation removes the truncation.
gradient <- function(deviance, theta) numDeriv::grad(deviance, theta, method.args = list(d = 0.05))

polish <- function(fit, formula, data, reml) {
  theta <- getME(fit, "theta")
  if (min(theta[getME(fit, "lower") == 0]) < 1e-3) return(fit)
  deviance <- fit_once(formula, data, reml, devFunOnly = TRUE)
  newton <- theta
  for (step in 1:3)
    newton <- newton - solve(numDeriv::hessian(deviance, newton), gradient(deviance, newton))
  if (!all(is.finite(newton)) || max(abs(newton - theta)) > 1e-3) return(fit)
  polished <- suppressMessages(suppressWarnings(
    fit_once(formula, data, reml, lmerControl(optimizer = NULL), start = list(theta = newton))))
  if (criterion(polished) <= criterion(fit) + 1e-9) polished else fit   # 1e-9: rounding of the criterion
}

# lme4 keeps `(a || g)` as several terms: one matrix in the order of the random-effect columns.
random_covariance <- function(fit) {
  blocks <- lapply(VarCorr(fit), function(block) matrix(block, nrow(block)))
  names <- unlist(lapply(getME(fit, "cnms"), identity), use.names = FALSE)
  cov <- matrix(0, length(names), length(names))
  end <- cumsum(vapply(blocks, nrow, 0L))
  for (i in seq_along(blocks)) {
    at <- (end[i] - nrow(blocks[[i]]) + 1):end[i]
    cov[at, at] <- blocks[[i]]
  }
  list(names = I(names), cov = cov)
}

describe_modes <- function(fit, groups = Inf) {
  modes <- ranef(fit, condVar = FALSE)[[1]]
  keep <- seq_len(min(groups, nrow(modes)))
  values <- lapply(keep, function(i) I(as.numeric(modes[i, ])))
  list(names = I(names(modes)), values = setNames(values, rownames(modes)[keep]))
}

describe_lmm <- function(fit, groups = Inf) {
  table <- coef(summary(lmerTest::as_lmerModLmerTest(fit)))
  fixef <- list(
    names = I(rownames(table)), estimate = I(table[, "Estimate"]), se = I(table[, "Std. Error"]),
    df = I(table[, "df"]), t = I(table[, "t value"]), p = I(table[, "Pr(>|t|)"]),
    half_width = I(qt(0.975, table[, "df"]) * table[, "Std. Error"]))
  list(
    reml = isREML(fit), n_rows = nobs(fit), n_groups = as.integer(ngrps(fit)[1]),
    criterion = criterion(fit), sigma = sigma(fit),
    theta = I(unname(getME(fit, "theta"))), theta_names = I(names(getME(fit, "theta"))),
    varcorr = random_covariance(fit), fixef = fixef, vcov_fixef = unname(as.matrix(vcov(fit))),
    modes = describe_modes(fit, groups), singular = isSingular(fit),
    lme4_messages = I(as.character(unlist(fit@optinfo$conv$lme4$messages))))
}

main <- function() {
  rows <- read_stacked(argument(1, stop("usage: fit_lme4.R input.csv output.json [formula] [REML|ML] [effort]")))
  terms <- paste(c(predictors(rows), if (!length(predictors(rows))) "1"), collapse = " + ")
  formula <- argument(3, sprintf("DV ~ %s + (%s | Group)", terms, terms))
  reml <- match.arg(argument(4, "REML"), c("REML", "ML")) == "REML"
  effort <- argument(5, "default")
  analyse <- function(data) {
    begin <- cpu_seconds()
    fit <- fit_lmm(as.formula(formula), data, reml, effort)
    fitted <- cpu_seconds()
    described <- describe_lmm(fit)
    c(described, list(seconds = list(fit = round(fitted - begin, 3), inference = round(cpu_seconds() - fitted, 3))))
  }
  write_json(list(formula = formula, reml = reml, effort = effort,
                  versions = versions(c("lme4", "lmerTest")),
                  results = for_each_dataset(rows, analyse)), argument(2, "lme4.json"))
}

if (sys.nframe() == 0L) main()   # only when run, not when sourced
