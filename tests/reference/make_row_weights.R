# Weights, frequencies and offsets of rows, by lm, lmer (lmerTest), sandwich and clubSandwich, to row_weights.json:
#   Rscript make_row_weights.R
#
# pbkrtest leaves the weights out of the residual covariance, so there are no Kenward-Roger numbers of weighted rows here.

suppressMessages({ library(lme4); library(lmerTest); library(sandwich); library(clubSandwich) })
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
source(file.path(here, "..", "lme4", "common.R"))

rows <- read.csv(file.path(here, "data", "weighted.csv"))
rows$g <- factor(rows$g)
TIGHT <- lmerControl(optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-12, maxeval = 1e5))

least <- function(fit) {
  table <- coef(summary(fit))
  list(names = I(rownames(table)), estimate = I(table[, 1]), se = I(table[, 2]), df = df.residual(fit), sigma = sigma(fit),
       loglik = as.numeric(logLik(fit)), aic = AIC(fit), bic = BIC(fit), fitted = I(unname(fitted(fit))), residuals = I(unname(residuals(fit))),
       new = I(unname(predict(fit, head(rows, 3)))))
}

mixed <- function(formula, reml, ...) {
  fit <- do.call(lmerTest::lmer, list(formula, data = rows, REML = reml, control = TIGHT, ...))
  table <- coef(summary(fit))
  list(estimate = I(unname(fixef(fit))), se = I(table[, 2]), df = I(table[, 3]), sigma = sigma(fit),
       criterion = -2 * as.numeric(logLik(fit)), theta = I(unname(getME(fit, "theta"))), aic = AIC(fit), bic = BIC(fit),
       fitted = I(unname(fitted(fit))), residuals = I(unname(residuals(fit))), modes = I(unname(ranef(fit)$g[, 1])))
}

weighted <- lm(y ~ x + b, rows, weights = w)
robust <- function(type) {
  test <- coef_test(weighted, vcov = type, cluster = rows$g)
  list(vcov = unname(as.matrix(vcovCR(weighted, rows$g, type))), se = I(test$SE), df = I(test$df))
}
htz <- Wald_test(weighted, constrain_zero(2:3), vcov = "CR2", cluster = rows$g, test = "HTZ")
clubs <- c("CR0", "CR1", "CR1S", "CR2", "CR3")

long <- rows[rep(seq_len(nrow(rows)), rows$k), ]
found <- list(
  lm = list(weights = least(weighted), offset = least(lm(y ~ x + b + offset(t), rows)),
            both = least(lm(y ~ x + b + offset(log(k) + t), rows, weights = w)),
            frequencies = least(lm(y ~ x + b, long))[c("estimate", "se", "df", "sigma", "loglik", "bic")]),
  robust = setNames(lapply(clubs, robust), clubs), joint = list(f = htz$Fstat, den_df = htz$df_denom, p = htz$p_val),
  sandwich = list(CR1S = unname(vcovCL(weighted, rows$g, type = "HC1"))),
  lmer = list(reml = mixed(y ~ x + b + (1 | g), TRUE, weights = rows$w), ml = mixed(y ~ x + b + (x | g), FALSE, weights = rows$w),
              slopes = mixed(y ~ x + b + (x | g), TRUE, weights = rows$w), offset = mixed(y ~ x + b + offset(t) + (1 | g), TRUE),
              both = mixed(y ~ x + b + (1 | g), TRUE, weights = rows$w, offset = rows$t)))

write_json(c(list(versions = versions(c("lme4", "lmerTest", "sandwich", "clubSandwich"))), found), file.path(here, "row_weights.json"))
