# Slopes within groups where the fixed effects account for all that differs between the groups, by lmerTest, to identification.json:
#   Rscript make_identification.R
#
# REML is flat in the variance of the intercepts, so lme4 stops anywhere; the slope, its standard error and its df do not depend on it.

suppressMessages({ library(lme4); library(lmerTest) })
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
source(file.path(here, "..", "lme4", "common.R"))

rows <- read.csv(file.path(here, "data", "tanks.csv"))
rows$tank <- factor(rows$tank)
TIGHT <- lmerControl(optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-12, maxeval = 1e5), check.conv.singular = "ignore")

formulas <- list(intercepts  = y ~ treatment + x + (1 | tank),
                 independent = y ~ treatment + x + (x || tank),
                 correlated  = y ~ treatment + x + (x | tank),
                 slopes      = y ~ treatment + x + (0 + x | tank))

describe <- function(formula) {
  fit <- suppressWarnings(suppressMessages(lmerTest::lmer(formula, rows, control = TIGHT)))
  table <- coef(summary(fit))["x", ]
  list(formula = paste(deparse(formula), collapse = " "), estimate = table[[1]], se = table[[2]], df = table[[3]],
       criterion = -2 * as.numeric(logLik(fit)), sigma = sigma(fit))
}

write_json(list(versions = versions(c("lme4", "lmerTest")), fits = lapply(formulas, describe)), file.path(here, "identification.json"))
