# What lmerTest and emmeans say about many small mixed models: tables of tests, means and differences.
#
#   Rscript ask_of_fits.R rows.csv answers.json
#
# rows.csv: stacked datasets with a column `dataset`, and in every row of one what is asked of it: `formula`, `specs`, `by` (may be
# empty), `smaller` (a formula to compare with, may be empty). Models are fitted by REML at lme4's tight optimum.

suppressMessages({ library(lme4); library(lmerTest); library(emmeans) })
source(file.path(dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))), "fit_lme4.R"))

METHODS <- c(satterthwaite = "Satterthwaite", "kenward-roger" = "Kenward-Roger")

table_of <- function(frame) lapply(frame, I)

tests_of <- function(fit, ddf, type) {
  table <- anova(fit, type = type, ddf = ddf)
  table_of(list(term = rownames(table), num_df = table$NumDF, den_df = table$DenDF, f = table[["F value"]],
                p_value = table[["Pr(>F)"]], sum_sq = table[["Sum Sq"]]))
}

means_of <- function(fit, rows, mode, specs, by, adjust) {
  emm_options(lmer.df = mode)
  grid <- emmeans(fit, specs, by = by, data = rows)
  means <- as.data.frame(summary(grid, infer = c(TRUE, TRUE), adjust = adjust[1]))
  names(means)[names(means) %in% c("emmean", "lower.CL", "upper.CL")] <- c("mean", "low", "high")
  found <- list(mean = means$mean, std_error = means$SE, df = means$df, conf_low = means$low, conf_high = means$high)
  if (length(levels(grid)) == length(by) || nrow(means) < 2) return(list(means = table_of(found)))
  pairs <- as.data.frame(summary(pairs(grid), infer = c(TRUE, TRUE), adjust = adjust[2]))
  list(means = table_of(found),
       pairs = table_of(list(contrast = as.character(pairs$contrast), estimate = pairs$estimate, std_error = pairs$SE,
                             df = pairs$df, conf_low = pairs$lower.CL, conf_high = pairs$upper.CL, statistic = pairs$t.ratio,
                             p_value = pairs$p.value)))
}

split_names <- function(text) if (is.na(text) || !nzchar(text)) NULL else strsplit(as.character(text), ":", fixed = TRUE)[[1]]

analyse <- function(rows) {
  first <- lapply(rows[1, c("formula", "specs", "by", "smaller", "adjust", "adjust_pairs")], as.character)
  rows$g <- factor(rows$g)
  formula <- as.formula(first$formula)
  fit <- lmerTest::as_lmerModLmerTest(fit_lmm(formula, rows, TRUE, "tight"))
  found <- list(criterion = criterion(fit), singular = isSingular(fit), sigma = sigma(fit))
  for (method in names(METHODS)) {
    found$anova[[method]] <- lapply(setNames(1:3, 1:3), function(type) tests_of(fit, METHODS[[method]], type))
    found$emmeans[[method]] <- means_of(fit, rows, method, split_names(first$specs), split_names(first$by),
                                        c(first$adjust, first$adjust_pairs))
  }
  if (!is.na(first$smaller)) {
    small <- fit_lmm(as.formula(first$smaller), rows, FALSE, "tight")
    large <- fit_lmm(formula, rows, FALSE, "tight")
    table <- anova(small, large)
    found$comparison <- table_of(list(n_parameters = table$npar, aic = table$AIC, bic = table$BIC, loglik = table$logLik,
                                      chisq = table$Chisq[2], df = table$Df[2], p_value = table[["Pr(>Chisq)"]][2]))
  }
  found
}

rows <- read_rows(argument(1, stop("give the rows")))
write_json(list(versions = versions(c("lme4", "lmerTest", "pbkrtest", "emmeans")),
                results = for_each_dataset(rows, analyse)), argument(2, stop("give a file for the answers")))
