# Random-effects means with R's metafor, written to meta.json:  Rscript make_meta.R
#
# rma(method = "PM", test = "knha"): Paule-Mandel variance between groups, Hartung-Knapp standard error, t with k - 1 df.
# "numbers" are estimates with sampling variances; "regressions" are precision-weighted two-stage analyses, whose sampling
# variances are the pooled residual variance of all groups times the diagonal of each (X'X)^-1. metafor finds tau^2 by
# uniroot; with the tolerance below it is good to 1e-12.

suppressMessages(library(metafor))
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
source(file.path(here, "..", "lme4", "common.R"))

numbers <- list(
  # 13 trials of the BCG vaccine: log relative risks (Colditz et al. 1994), metafor's dat.bcg
  vaccine     = as.list(escalc(measure = "RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)[c("yi", "vi")]),
  homogeneous = list(yi = c(0.31, 0.22, 0.45, 0.28, 0.37, 0.29), vi = c(0.04, 0.09, 0.16, 0.02, 0.25, 0.08)),
  wide        = list(yi = c(-3.1, 0.4, 0.9, 7.5, 1.1, -0.6, 2.2), vi = c(25, 0.01, 0.0025, 100, 0.04, 1, 4)),
  equal       = list(yi = c(1.2, 0.4, 2.9, 1.7, -0.3), vi = rep(0.2, 5)),
  two         = list(yi = c(0.2, 1.9), vi = c(0.1, 0.4)),
  three       = list(yi = c(0.2, 1.9, -2.5), vi = c(0.1, 0.4, 2.5)))

# name = list(data, formula, group)
regressions <- list(
  chickweight = list("chickweight", weight ~ Time, "Chick"),
  awkward     = list("awkward", y ~ x, "group"),
  sleepstudy  = list("sleepstudy", Reaction ~ Days, "Subject"),
  grunfeld    = list("grunfeld", invest ~ value + capital, "firm"))

weighted_mean <- function(yi, vi) {
  yi <- as.numeric(yi)
  # The root is at most the sum of squares; 1e-300 makes uniroot stop at the resolution of numbers alone.
  control <- list(tol = 1e-300, maxiter = 10000, tau2.min = 0, tau2.max = sum((yi - mean(yi))^2) + 1)
  fit <- rma(yi, vi, method = "PM", test = "knha", control = control)
  list(tau2 = fit$tau2, estimate = as.numeric(fit$beta), se = fit$se, df = fit$k - 1L, p = fit$pval, low = fit$ci.lb, high = fit$ci.ub)
}

two_stage <- function(entry) {
  data <- read_rows(list.files(file.path(here, "data"), paste0("^", entry[[1]], "\\."), full.names = TRUE))
  data <- data[complete.cases(data[c(all.vars(entry[[2]]), entry[[3]])]), ]
  fits <- lapply(split(data, data[[entry[[3]]]], drop = TRUE), function(rows) lm(entry[[2]], rows))
  own <- t(sapply(fits, coef))
  variance <- sum(sapply(fits, deviance)) / sum(sapply(fits, df.residual))
  unit <- t(sapply(fits, function(fit) diag(summary(fit)$cov.unscaled)))
  terms <- lapply(seq_len(ncol(own)), function(j) weighted_mean(own[, j], variance * unit[, j]))
  c(list(data = entry[[1]], formula = paste(deparse(entry[[2]]), collapse = " "), group = entry[[3]], n_groups = nrow(own), variance = variance),
    lapply(setNames(nm = names(terms[[1]])), function(what) I(vapply(terms, function(term) as.numeric(term[[what]]), 0))))
}

write_json(list(
  versions = versions("metafor"),
  numbers = lapply(numbers, function(case) c(lapply(case, function(v) I(as.numeric(v))), weighted_mean(case$yi, case$vi))),
  regressions = lapply(regressions, two_stage)), file.path(here, "meta.json"))
