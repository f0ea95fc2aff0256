# Mixed models with cluster-robust variances (clubSandwich on lme4 fits) on many stacked datasets.
#
#   Rscript fit_mixed_robust.R input.csv output.json formula
#
# input.csv: columns dataset, Group, DV, IV1.. IVk.  The models are fitted at lme4's tight optimum (fit_lme4.R); the working model of
# the adjusted scores and of the degrees of freedom is the fitted one.

suppressMessages({ library(lme4); library(clubSandwich) })

this_file <- function() sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
source(file.path(dirname(this_file()), "fit_lme4.R"))

describe <- function(fit, type) {
  V <- vcovCR(fit, type = type)
  tests <- as.data.frame(coef_test(fit, vcov = V, test = "Satterthwaite"))
  list(vcov = unname(matrix(V, nrow(V))), se = I(tests$SE), df = I(tests$df_Satt), p = I(tests$p_Satt))
}

rows <- read_stacked(argument(1, stop("usage: fit_mixed_robust.R input.csv output.json formula")))
formula <- argument(3, stop("give a formula"))
analyse <- function(data) {
  model <- as.formula(formula)
  environment(model) <- environment()
  theta <- getME(fit_lmm(model, data, effort = "best"), "theta")
  # clubSandwich refuses a call that names weights, if only to say that there are none.
  fit <- suppressMessages(suppressWarnings(
    lme4::lmer(model, data, control = lmerControl(optimizer = NULL), start = list(theta = theta))))
  list(criterion = criterion(fit), estimate = I(unname(fixef(fit))), CR0 = describe(fit, "CR0"), CR2 = describe(fit, "CR2"))
}
write_json(list(formula = formula, versions = versions(c("lme4", "clubSandwich")), results = for_each_dataset(rows, analyse)),
           argument(2, "mixed_robust.json"))
