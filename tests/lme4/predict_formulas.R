# lme4's estimates and predictions of some formulas:  Rscript predict_formulas.R folder
#
# The folder has rows.csv, new.csv and formulas.csv (formula, contrasts of f); factors f (low, mid, high), h and g, truth b.
# Writes predictions.json: estimates, standard errors, sigma, and predictions of both levels.

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
source(file.path(here, "common.R"))
suppressMessages({library(lme4); library(splines); library(MASS)})
folder <- argument(1)
rows_of <- function(name) {
  rows <- read.csv(file.path(folder, name))
  rows$f <- factor(rows$f, levels = c("low", "mid", "high"))
  rows$b <- rows$b == "True"
  transform(rows, h = factor(h), g = factor(g))
}
rows <- rows_of("rows.csv")
new <- rows_of("new.csv")
formulas <- read.csv(file.path(folder, "formulas.csv"), colClasses = "character")

tight <- lmerControl("bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5))
describe <- function(entry) {
  if (nzchar(entry$contrasts)) contrasts(rows$f) <- eval(parse(text = entry$contrasts))
  fit <- suppressMessages(lmer(as.formula(entry$formula), rows, control = tight))
  list(names = I(names(fixef(fit))), estimate = I(unname(fixef(fit))), std_error = I(unname(sqrt(diag(as.matrix(vcov(fit)))))),
       sigma = sigma(fit), group = I(unname(predict(fit, new, allow.new.levels = TRUE))),
       population = I(unname(predict(fit, new, re.form = NA))))
}
write_json(unname(lapply(split(formulas, seq_len(nrow(formulas))), describe)), file.path(folder, "predictions.json"))
