# Mixed models with structured residuals (nlme) on many stacked datasets.
#
#   Rscript fit_nlme.R input.csv output.json
#
# input.csv: columns dataset, Group, DV, IV1, IV2, arm (0 or 1) and day, the rows of a group in order of day.  The models are those of
# test_live_nlme.py.  nlme stops early as it comes; here at 1e-10, by both of its optimisers, and the better of the two is told.

suppressMessages(library(nlme))

this_file <- function() sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
source(file.path(dirname(this_file()), "common.R"))

CONTROLS <- list(
  lmeControl(opt = "nlminb", tolerance = 1e-10, msTol = 1e-12, maxIter = 500, msMaxIter = 2000, msMaxEval = 5000, returnObject = TRUE),
  lmeControl(opt = "optim", tolerance = 1e-10, msTol = 1e-14, maxIter = 500, msMaxIter = 2000, returnObject = TRUE))

MODELS <- list(
  ar1_intercept = function(data, method, control) lme(DV ~ IV1 + IV2, random = ~ 1 | Group, data = data, method = method,
                                                      correlation = corAR1(form = ~ 1 | Group), control = control),
  ar1_slope = function(data, method, control) lme(DV ~ IV1 + IV2, random = list(Group = pdDiag(~ IV1)), data = data, method = method,
                                                  correlation = corAR1(form = ~ 1 | Group), control = control),
  car1 = function(data, method, control) lme(DV ~ IV1 + IV2, random = ~ 1 | Group, data = data, method = method,
                                             correlation = corCAR1(form = ~ day | Group), control = control),
  # The level that varIdent meets first is its reference.
  ident = function(data, method, control) lme(DV ~ IV1 + IV2, random = ~ 1 | Group, data = data[order(data$arm), ], method = method,
                                              weights = varIdent(form = ~ 1 | arm), control = control),
  exp = function(data, method, control) lme(DV ~ IV1 + IV2, random = ~ 1 | Group, data = data, method = method,
                                            weights = varExp(form = ~ IV1), control = control))

describe <- function(fit) {
  structure <- fit$modelStruct
  parameter <- if (!is.null(structure$corStruct)) coef(structure$corStruct, unconstrained = FALSE)
               else if (inherits(structure$varStruct, "varExp")) exp(coef(structure$varStruct))
               else coef(structure$varStruct, unconstrained = FALSE)
  covariance <- matrix(getVarCov(fit), nrow(getVarCov(fit)))
  list(criterion = -2 * as.numeric(logLik(fit)), estimate = I(unname(fixef(fit))), se = I(unname(sqrt(diag(vcov(fit))))),
       sigma = fit$sigma, covariance = covariance, parameter = unname(parameter))
}

best <- function(model, data, method) {
  fits <- lapply(CONTROLS, function(control) tryCatch(suppressWarnings(model(data, method, control)), error = identity))
  good <- Filter(function(fit) !inherits(fit, "error"), fits)
  if (!length(good)) return(list(error = conditionMessage(fits[[1]])))
  describe(good[[which.max(vapply(good, function(fit) as.numeric(logLik(fit)), 0))]])
}

rows <- read_stacked(argument(1, stop("usage: fit_nlme.R input.csv output.json")))
analyse <- function(data) {
  sapply(names(MODELS), function(name) list(REML = best(MODELS[[name]], data, "REML"), ML = best(MODELS[[name]], data, "ML")),
         simplify = FALSE)
}
write_json(list(versions = versions("nlme"), results = for_each_dataset(rows, analyse)), argument(2, "nlme.json"))
