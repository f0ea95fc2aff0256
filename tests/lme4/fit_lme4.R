# Fit a linear mixed model to many stacked datasets with lme4 and lmerTest.
#
#   Rscript fit_lme4.R input.csv output.json [formula] [REML|ML] [default|tight|best] [KR]
#
# input.csv: columns dataset, Group, DV, IV1.. IVk.  Formula: DV ~ IV1 + .. + (IV1 + .. | Group) unless given.
# effort  default  lme4 as it comes (stops early: the criterion is good to about 1e-6 or worse)
#         tight    two optimisers at tight tolerances, each restarted from its optimum, then polished
#         best     tight from several starts: the surface can have several local optima
# KR      also Kenward-Roger inference by pbkrtest (which lmerTest calls). pbkrtest turns to MASS::ginv as soon as an eigenvalue
#         of the information is below 1e-10, whatever the units of the data: keep response and predictors near unit variance.
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
fit_once <- function(formula, data, reml, control = lmerControl(), start = NULL, weights = NULL, ...) {
  environment(formula) <- environment()
  lme4::lmer(formula, data = data, REML = reml, control = control, start = start, weights = weights, ...)
}

OPTIMISERS <- list(
  lmerControl(optimizer = "nloptwrap", optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-12, maxeval = 1e5)),
  lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5)))

fit_lmm <- function(formula, data, reml = TRUE, effort = c("default", "tight", "best"), weights = NULL) {
  effort <- match.arg(effort)
  if (effort == "default") return(fit_once(formula, data, reml, weights = weights))
  # lFormula runs lme4's own checks, so a dataset that lme4 refuses fails here with lme4's message.
  on_diagonal <- lFormula(formula, data, REML = reml)$reTrms$lower == 0
  scales <- if (effort == "best") c(1, 0.1, 5) else 1
  tries <- expand.grid(scale = scales, optimiser = seq_along(OPTIMISERS))
  fits <- lapply(seq_len(nrow(tries)), function(i) tryCatch(suppressMessages(suppressWarnings({
    control <- OPTIMISERS[[tries$optimiser[i]]]
    first <- fit_once(formula, data, reml, control, start = list(theta = tries$scale[i] * on_diagonal), weights = weights)
    fit_once(formula, data, reml, control, start = list(theta = getME(first, "theta")), weights = weights)
  })), error = identity))
  failed <- vapply(fits, inherits, NA, "error")
  if (all(failed)) stop(fits[[1]])
  fits <- fits[!failed]
  polish(fits[[which.min(vapply(fits, criterion, 0))]], formula, data, reml, weights)
}

# Which row, column and term of the relative factor every theta belongs to.
theta_places <- function(fit) {
  sizes <- lengths(getME(fit, "cnms"))
  do.call(rbind, lapply(seq_along(sizes), function(k) {
    at <- which(lower.tri(diag(sizes[k]), diag = TRUE), arr.ind = TRUE)
    data.frame(term = k, row = at[, 1], column = at[, 2])
  }))
}

# The same covariance with the columns of the factor that are not needed at zero: at a singular fit theta is not unique, and
# this choice leaves free coordinates in which the criterion has an ordinary minimum.
BOUNDARY <- 1e-4   # lme4's isSingular
semidefinite_theta <- function(theta, places) {
  for (k in unique(places$term)) {
    own <- places$term == k
    size <- max(places$row[own])
    L <- matrix(0, size, size)
    L[cbind(places$row, places$column)[own, , drop = FALSE]] <- theta[own]
    left <- tcrossprod(L)
    for (j in seq_len(size)) {
      L[, j] <- if (sqrt(max(left[j, j], 0)) < BOUNDARY) 0 else left[, j] / sqrt(left[j, j])
      left <- left - tcrossprod(L[, j])
    }
    theta[own] <- L[cbind(places$row, places$column)[own, , drop = FALSE]]
  }
  theta
}

# Derivatives in u at u = 0 by differences over steps of a tenth, extrapolated (numDeriv takes steps relative to its argument).
STEPS <- list(d = 0.1, eps = 0, zero.tol = 0)
gradient <- function(f, size) numDeriv::grad(function(u) f(u - 1), rep(1, size), method.args = STEPS)
hessian <- function(f, size) numDeriv::hessian(function(u) f(u - 1), rep(1, size), method.args = STEPS)

# An optimiser without derivatives finds theta to about 1e-7, the square root of the noise of the criterion, and to less at the
# boundary. Newton steps take it to about 1e-10. Differences must be neither so small that they drown in rounding nor so large
# that the criterion bends: the first are over a tenth of each random effect's SD, the others in coordinates in which the
# criterion has the Hessian I.
newton_steps <- function(deviance, theta, scale, steps = 6) {
  size <- length(theta)
  map <- diag(scale, size)
  for (step in seq_len(steps)) {
    f <- function(u) deviance(theta + drop(map %*% u))
    slope <- gradient(f, size)
    curvature <- eigen(hessian(f, size), symmetric = TRUE)
    if (min(curvature$values) <= 0) stop("the criterion has no minimum here")
    map <- map %*% curvature$vectors %*% diag(1 / sqrt(curvature$values), size)   # from here on f has the Hessian I
    theta <- theta - drop(map %*% (crossprod(curvature$vectors, slope) / sqrt(curvature$values)))
  }
  theta
}

polish <- function(fit, formula, data, reml, weights = NULL) {
  places <- theta_places(fit)
  theta <- semidefinite_theta(getME(fit, "theta"), places)
  pivot <- setNames(theta, paste(places$term, places$row, places$column))[paste(places$term, places$column, places$column)]
  free <- pivot > 0
  if (!any(free)) return(fit)
  whole <- fit_once(formula, data, reml, weights = weights, devFunOnly = TRUE)
  spread <- sqrt(ave(theta^2, places$term, places$row, FUN = sum))[free]   # SDs of the random effects, relative to sigma
  moved <- tryCatch(newton_steps(function(part) whole(replace(theta, free, part)), theta[free], spread), error = identity)
  if (inherits(moved, "error") || !all(is.finite(moved)) || max(abs(moved - theta[free]) / spread) > 0.1) return(fit)
  polished <- suppressMessages(suppressWarnings(
    fit_once(formula, data, reml, lmerControl(optimizer = NULL), start = list(theta = replace(theta, free, moved)), weights)))
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

describe_kenward_roger <- function(fit) {
  table <- coef(summary(lmerTest::as_lmerModLmerTest(fit), ddf = "Kenward-Roger"))
  adjusted <- pbkrtest::vcovAdj(fit)
  contrast <- rep(1, nrow(table))   # the prediction where every predictor is 1
  list(se = I(table[, "Std. Error"]), df = I(table[, "df"]), t = I(table[, "t value"]), p = I(table[, "Pr(>|t|)"]),
       vcov = unname(as.matrix(adjusted)), contrast_df = pbkrtest::Lb_ddf(contrast, vcov(fit), adjusted))
}

main <- function() {
  rows <- read_stacked(argument(1, stop("usage: fit_lme4.R input.csv output.json [formula] [REML|ML] [effort] [KR]")))
  terms <- paste(c(predictors(rows), if (!length(predictors(rows))) "1"), collapse = " + ")
  formula <- argument(3, sprintf("DV ~ %s + (%s | Group)", terms, terms))
  reml <- match.arg(argument(4, "REML"), c("REML", "ML")) == "REML"
  effort <- argument(5, "default")
  adjusted <- argument(6, "") == "KR"
  analyse <- function(data) {
    begin <- cpu_seconds()
    fit <- fit_lmm(as.formula(formula), data, reml, effort)
    fitted <- cpu_seconds()
    described <- describe_lmm(fit)
    if (adjusted) described$kenward_roger <- describe_kenward_roger(fit)
    c(described, list(seconds = list(fit = round(fitted - begin, 3), inference = round(cpu_seconds() - fitted, 3))))
  }
  write_json(list(formula = formula, reml = reml, effort = effort,
                  versions = versions(c("lme4", "lmerTest", if (adjusted) "pbkrtest")),
                  results = for_each_dataset(rows, analyse)), argument(2, "lme4.json"))
}

if (sys.nframe() == 0L) main()   # only when run, not when sourced
