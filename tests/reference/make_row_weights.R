# Weights, frequencies and offsets of rows, by lm, lmer (lmerTest), sandwich, clubSandwich, car and emmeans, to row_weights.json:
#   Rscript make_row_weights.R
#
# pbkrtest leaves the weights out of the residual covariance, so its Kenward-Roger numbers are those of rows times the root of their weight.

suppressMessages({ library(lme4); library(lmerTest); library(pbkrtest); library(sandwich); library(clubSandwich); library(emmeans) })
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

# Tests of terms, explained variance and means of factors a and c, beside x.
rows$a <- c("p", "q", "r")[seq_len(nrow(rows)) %% 3 + 1]
rows$c <- ifelse(rows$t > 0, "u", "v")
terms_of <- function(...) {
  small <- do.call(lm, list(y ~ a + c, data = rows, ...)); large <- do.call(lm, list(y ~ a * c + x, data = rows, ...))
  compared <- anova(small, large); first <- anova(large); second <- car::Anova(large, type = 2)
  means <- emmeans(large, "a")
  own <- contrast(means, list(first = c(1, 0, 0), difference = c(-1, 1, 0)))
  list(compared = list(f = compared$F[2], p = compared$`Pr(>F)`[2]), r2 = summary(large)$r.squared, adjusted = summary(large)$adj.r.squared,
       first = list(f = I(first$F[1:4]), p = I(first$`Pr(>F)`[1:4])), second = list(f = I(second$`F value`[1:4]), p = I(second$`Pr(>F)`[1:4])),
       means = list(mean = I(summary(means)$emmean), se = I(summary(means)$SE)), own = list(estimate = I(summary(own)$estimate), se = I(summary(own)$SE)))
}

root <- sqrt(rows$w)
white <- data.frame(y = rows$y * root, c0 = root, c1 = rows$x * root, c2 = rows$b * root, g = rows$g)
mixed_white <- lmerTest::lmer(y ~ 0 + c0 + c1 + c2 + (0 + c0 | g), white, control = TIGHT)
kr <- list(table = contest(mixed_white, diag(3), joint = FALSE, ddf = "Kenward-Roger"),
           joint = contest(mixed_white, rbind(c(0, 1, 0), c(0, 0, 1)), ddf = "Kenward-Roger"))

long <- rows[rep(seq_len(nrow(rows)), rows$k), ]
found <- list(
  lm = list(weights = least(weighted), offset = least(lm(y ~ x + b + offset(t), rows)),
            both = least(lm(y ~ x + b + offset(log(k) + t), rows, weights = w)),
            frequencies = least(lm(y ~ x + b, long))[c("estimate", "se", "df", "sigma", "loglik", "bic")]),
  robust = setNames(lapply(clubs, robust), clubs), joint = list(f = htz$Fstat, den_df = htz$df_denom, p = htz$p_val),
  sandwich = list(CR1S = unname(vcovCL(weighted, rows$g, type = "HC1"))),
  lmer = list(reml = mixed(y ~ x + b + (1 | g), TRUE, weights = rows$w), ml = mixed(y ~ x + b + (x | g), FALSE, weights = rows$w),
              slopes = mixed(y ~ x + b + (x | g), TRUE, weights = rows$w), offset = mixed(y ~ x + b + offset(t) + (1 | g), TRUE),
              both = mixed(y ~ x + b + (1 | g), TRUE, weights = rows$w, offset = rows$t)),
  terms = list(weights = terms_of(weights = rows$w), offset = terms_of(offset = rows$t), both = terms_of(weights = rows$w, offset = rows$t)),
  kenward_roger = list(se = I(kr$table[, "Std. Error"]), df = I(kr$table[, "df"]),
                       joint = list(f = kr$joint[["F value"]], den_df = kr$joint[["DenDF"]], p = kr$joint[["Pr(>F)"]])))

write_json(c(list(versions = versions(c("lme4", "lmerTest", "sandwich", "clubSandwich", "pbkrtest", "car", "emmeans"))), found), file.path(here, "row_weights.json"))
