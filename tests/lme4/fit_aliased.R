# Designs with empty cells: which columns lm and lmer drop, and every inference on what is left.
#
#   Rscript fit_aliased.R rows.csv fits.json
#
# rows.csv: columns dataset, formula (of the fixed effects), Group, y, x and factors a, b, c.

suppressMessages({ library(lme4); library(lmerTest); library(clubSandwich) })
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
source(file.path(here, "common.R"))

TIGHT <- lmerControl(optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-12, maxeval = 1e5))

analyse <- function(rows) {
  text <- as.character(rows$formula[1])
  rows$Group <- factor(rows$Group)
  plain <- lm(as.formula(text), rows)
  clustered <- coef_test(plain, vcov = "CR2", cluster = rows$Group)
  mixed <- as.formula(paste(text, "+ (1 | Group)"))
  environment(mixed) <- environment()
  fit <- lmerTest::lmer(mixed, rows, control = TIGHT)
  satterthwaite <- coef(summary(fit))
  kenward_roger <- coef(summary(fit, ddf = "Kenward-Roger"))
  least <- coef(summary(plain))
  list(aliased = I(names(which(is.na(coef(plain))))),
       names = I(rownames(least)),
       ols = list(estimate = I(least[, 1]), se = I(least[, 2]), df = df.residual(plain), loglik = as.numeric(logLik(plain))),
       CR2 = list(se = I(clustered$SE), df = I(clustered$df)),
       mixed_names = I(names(fixef(fit))),
       theta = getME(fit, "theta"),
       satterthwaite = list(estimate = I(unname(fixef(fit))), se = I(satterthwaite[, 2]), df = I(satterthwaite[, 3])),
       kenward_roger = list(se = I(kenward_roger[, 2]), df = I(kenward_roger[, 3])),
       criterion = -2 * as.numeric(logLik(fit)))
}

given <- commandArgs(trailingOnly = TRUE)
write_json(list(versions = versions(c("lme4", "lmerTest", "pbkrtest", "clubSandwich")),
                results = for_each_dataset(read_rows(given[1]), analyse)), given[2])
