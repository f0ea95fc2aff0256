# Models of make_examples.R and their answers as columns named as jaxsim names them.

columns <- function(frame) lapply(as.list(frame), I)

# An example: model and answers. The packages evaluate the call of a fit again, so its rows are global.
example_of <- function(rows, formula, kind, reml, fit, ask) {
  text <- paste(deparse(formula, width.cutoff = 500L), collapse = " ")
  factors <- Filter(is.factor, rows[intersect(all.vars(lme4::nobars(formula)), names(rows))])
  list(formula = text, kind = kind, reml = reml, levels = lapply(factors, function(f) I(levels(f))), answers = ask(fit, rows))
}
mixed <- function(rows, formula, ask, reml = TRUE) {
  rows <<- rows
  fit <- suppressMessages(eval(bquote(lmerTest::lmer(.(formula), rows, REML = .(reml)))))
  example_of(rows, formula, "lmer", reml, fit, ask)
}
linear <- function(rows, formula, ask) {
  rows <<- rows
  example_of(rows, formula, "ols", TRUE, eval(bquote(lm(.(formula), rows))), ask)
}
by_lme <- function(rows, formula, random, ask, method = "REML") {
  rows <<- rows
  fit <- eval(bquote(nlme::lme(.(formula), rows, random = .(random), method = .(method))))
  text <- sprintf("%s + (%s)", deparse(formula), deparse(random[[2]]))
  within(example_of(rows, formula, "lmer", method == "REML", fit, ask), formula <- text)
}
by_list <- function(rows, formula, ask) {
  list(formula = deparse(formula), answers = ask(nlme::lmList(formula, rows)))
}

coefficients_of <- function(fit, ...) {
  table <- coef(summary(fit, ...))
  columns(data.frame(estimate = table[, "Estimate"], std_error = table[, "Std. Error"], df = table[, "df"],
                     statistic = table[, "t value"], p_value = table[, "Pr(>|t|)"], row.names = NULL))
}

terms_in <- function(table) {
  table <- as.data.frame(table)
  found <- data.frame(term = rownames(table), sum_sq = table[["Sum Sq"]], mean_sq = table[["Mean Sq"]], num_df = table$NumDF,
                      den_df = table$DenDF, f = table[["F value"]], p_value = table[["Pr(>F)"]])
  columns(found)
}
terms_of <- function(fit, ...) terms_in(anova(fit, ...))

# R's anova of lm, car::Anova and emmeans' joint_tests.
lm_terms <- function(table) {
  last <- nrow(table)
  columns(data.frame(term = rownames(table)[-last], sum_sq = table[["Sum Sq"]][-last], num_df = table$Df[-last],
                     f = table[["F value"]][-last], p_value = table[["Pr(>F)"]][-last]))
}
joint_terms <- function(table) columns(data.frame(
  term = table[["model term"]], num_df = table$df1, den_df = table$df2, f = table$F.ratio, p_value = table$p.value))

t_test <- function(table) columns(data.frame(estimate = table$Estimate, std_error = table[["Std. Error"]], df = table$df,
  statistic = table[["t value"]], p_value = table[["Pr(>|t|)"]], conf_low = table$lower, conf_high = table$upper))
f_test <- function(table) columns(data.frame(
  num_df = table$NumDF, den_df = table$DenDF, f = table[["F value"]], p_value = table[["Pr(>F)"]]))
ls <- function(table) columns(data.frame(estimate = table$Estimate, std_error = table[["Std. Error"]], df = table$df,
  p_value = table[["Pr(>|t|)"]], conf_low = table$lower, conf_high = table$upper))
modcomp <- function(found) with(found$test, list(num_df = ndf[1], den_df = ddf[1], f = found$test[1, 1], p_value = p.value[1]))

# Comparisons of two or more models; removal has the row of the larger (ranova: smaller) model only.
comparison <- function(table) columns(data.frame(n_parameters = table$npar, aic = table$AIC, bic = table$BIC, loglik = table$logLik,
  deviance = table$deviance, chisq = table$Chisq, df = table$Df, p_value = table[["Pr(>Chisq)"]]))
removal <- function(table) {
  one <- table[nrow(table), ]
  list(chisq = if (is.null(one$LRT)) one$Chisq else one$LRT, df = one$Df, p_value = one[["Pr(>Chisq)"]])
}

# One row, by the names of its columns.
likelihood_ratio <- function(row, names, df = row[[names[2]]]) {
  list(chisq = row[[names[1]]], df = df, p_value = row[[names[3]]])
}
smaller <- function(table) list(f = table$F[2], num_df = table$Df[2], den_df = table$Res.Df[2], f_p_value = table[["Pr(>F)"]][2])

variances_of <- function(fit) {
  table <- as.data.frame(lme4::VarCorr(fit))
  correlation <- table$sdcor[!is.na(table$var2)]
  c(list(std_dev = I(table$sdcor[is.na(table$var2)])), if (length(correlation)) list(correlation = I(correlation)))
}
limits <- function(table) list(conf_low = I(unname(table[, 1])), conf_high = I(unname(table[, 2])))
by_lme_summary <- function(fit) {
  table <- summary(fit, adjustSigma = FALSE)$tTable   # lme4 has no such adjustment after maximum likelihood
  list(estimate = I(unname(table[, "Value"])), std_error = I(unname(table[, "Std.Error"])), statistic = I(unname(table[, "t-value"])),
       loglik = as.numeric(logLik(fit)), sigma = fit$sigma)
}
# Of groups in the order of their names, which is ours.
sorted <- function(table) unname(as.matrix(as.data.frame(table)[order(rownames(table)), ]))
modes <- function(fit) list(modes = unname(as.matrix(lme4::ranef(fit)[[1]])))

means_of <- function(grid, ...) {
  table <- as.data.frame(summary(grid, infer = c(TRUE, TRUE), ...))
  names(table) <- sub("^(emmean|prediction|[^.]+[.]trend)$", "mean", names(table))
  columns(data.frame(mean = table$mean, std_error = table$SE, df = table$df, conf_low = table$lower.CL, conf_high = table$upper.CL))
}
contrasts_of <- function(contrasts, ...) {
  table <- as.data.frame(summary(contrasts, infer = c(TRUE, TRUE), ...))
  columns(data.frame(contrast = as.character(table$contrast), estimate = table$estimate, std_error = table$SE, df = table$df,
                     statistic = table$t.ratio, p_value = table$p.value, conf_low = table$lower.CL, conf_high = table$upper.CL))
}
