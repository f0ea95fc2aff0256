# Conditional modes and predictions of mixed models with structured residuals, by nlme, to structured.json:
#   Rscript make_structured.R
#
# Of sleepstudy without every seventh row.  nlme stops early as it comes; here at 1e-10, by both of its optimisers, and the better of
# the two is told.

suppressMessages(library(nlme))
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
source(file.path(here, "..", "lme4", "common.R"))

rows <- read.csv(file.path(here, "data", "sleepstudy.csv"))
rows <- rows[seq_len(nrow(rows)) %% 7 != 0, ]
rows$Subject <- factor(rows$Subject)
rows$late <- as.numeric(rows$Days >= 5)

CONTROLS <- list(
  lmeControl(opt = "nlminb", tolerance = 1e-10, msTol = 1e-12, maxIter = 500, msMaxIter = 2000, msMaxEval = 5000, returnObject = TRUE),
  lmeControl(opt = "optim", tolerance = 1e-10, msTol = 1e-14, maxIter = 500, msMaxIter = 2000, returnObject = TRUE))

MODELS <- list(
  ar1 = function(control) lme(Reaction ~ Days, random = list(Subject = pdDiag(~ Days)), data = rows,
                              correlation = corAR1(form = ~ 1 | Subject), control = control),
  car1 = function(control) lme(Reaction ~ Days, random = ~ 1 | Subject, data = rows, correlation = corCAR1(form = ~ Days | Subject),
                               control = control),
  # A random effect of what has no fixed one; the level that varIdent meets first is its reference.
  ident = function(control) lme(Reaction ~ 1, random = ~ Days | Subject, data = rows[order(rows$late), ],
                                weights = varIdent(form = ~ 1 | late), control = control))

new <- expand.grid(Days = c(0, 2.5, 12), Subject = c("308", "335", "372"))

describe <- function(model) {
  fits <- lapply(CONTROLS, function(control) suppressWarnings(model(control)))
  fit <- fits[[which.max(vapply(fits, function(fit) as.numeric(logLik(fit)), 0))]]
  modes <- ranef(fit)[levels(rows$Subject), , drop = FALSE]
  list(criterion = -2 * as.numeric(logLik(fit)), modes = unname(as.matrix(modes)),
       known = unname(as.vector(predict(fit, new, level = 1))), population = unname(as.vector(predict(fit, new, level = 0))))
}

write_json(list(versions = versions("nlme"), new = list(Days = new$Days, Subject = as.character(new$Subject)),
                fits = lapply(MODELS, describe)),
           file.path(here, "structured.json"))
