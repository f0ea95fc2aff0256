# What lme4, lmerTest, pbkrtest and emmeans say about many small mixed models: fits, predictions, tests, means and differences.
#
#   Rscript ask_of_fits.R folder
#
# The folder has frames (frames_for_r.R) and questions.csv (question.py). Models are fitted at lme4's tight optimum. A question
# that R refuses has an `error` in its place. Writes answers.json.

suppressMessages({ library(lme4); library(lmerTest); library(emmeans); library(splines); library(MASS) })
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
source(file.path(here, "fit_lme4.R"))
source(file.path(here, "frames_for_r.R"))

METHODS <- c(satterthwaite = "Satterthwaite", "kenward-roger" = "Kenward-Roger")

table_of <- function(frame) lapply(frame, I)
or_error <- function(asked) tryCatch(asked, error = function(e) list(error = conditionMessage(e)))
split_names <- function(text) if (nzchar(text)) strsplit(text, "\t", fixed = TRUE)[[1]]

coefficients_of <- function(fit, ddf) {
  table <- coef(summary(fit, ddf = ddf))
  table_of(list(term = rownames(table), estimate = table[, "Estimate"], std_error = table[, "Std. Error"], df = table[, "df"],
                p_value = table[, "Pr(>|t|)"]))
}

predictions_of <- function(fit, rows) {
  table_of(list(group = unname(predict(fit, rows, allow.new.levels = TRUE)),
                population = unname(predict(fit, rows, re.form = NA))))
}

tests_of <- function(fit, ddf, type) {
  table <- anova(fit, type = type, ddf = ddf)
  table_of(list(term = rownames(table), num_df = table$NumDF, den_df = table$DenDF, f = table[["F value"]],
                p_value = table[["Pr(>F)"]], sum_sq = table[["Sum Sq"]]))
}

means_of <- function(fit, rows, mode, entry) {
  emm_options(lmer.df = mode)
  by <- split_names(entry$by)
  grid <- emmeans(fit, split_names(entry$specs), by = by, data = rows)
  means <- as.data.frame(summary(grid, infer = c(TRUE, TRUE), adjust = entry$adjust))
  names(means)[names(means) %in% c("emmean", "lower.CL", "upper.CL")] <- c("mean", "low", "high")
  found <- list(mean = means$mean, std_error = means$SE, df = means$df, conf_low = means$low, conf_high = means$high)
  if (length(levels(grid)) == length(by) || nrow(means) < 2) return(list(means = table_of(found)))
  pairs <- as.data.frame(summary(pairs(grid), infer = c(TRUE, TRUE), adjust = entry$adjust_pairs))
  list(means = table_of(found),
       pairs = table_of(list(contrast = as.character(pairs$contrast), estimate = pairs$estimate, std_error = pairs$SE,
                             df = pairs$df, conf_low = pairs$lower.CL, conf_high = pairs$upper.CL, statistic = pairs$t.ratio,
                             p_value = pairs$p.value)))
}

comparison_of <- function(smaller, larger, rows) {
  small <- fit_lmm(as.formula(smaller), rows, FALSE, "tight")
  large <- fit_lmm(as.formula(larger), rows, FALSE, "tight")
  table <- anova(small, large)
  table_of(list(n_parameters = table$npar, aic = table$AIC, bic = table$BIC, loglik = table$logLik, chisq = table$Chisq[2],
                df = table$Df[2], p_value = table[["Pr(>Chisq)"]][2]))
}

# Complete rows with the contrasts that are asked for, and new rows coded alike.
prepared <- function(entry, frame) {
  rows <- frame(entry$dataset)
  used <- c(all.vars(as.formula(entry$formula)), if (nzchar(entry$weights)) entry$weights)
  rows <- droplevels(rows[complete.cases(rows[used]), ])
  new <- if (nzchar(entry$new)) frame(paste0(entry$dataset, "_new"))
  given <- contrasts_of(entry$contrasts, rows)
  for (name in intersect(names(rows)[vapply(rows, is.factor, NA)], used)) {
    if (!is.null(given[[name]])) contrasts(rows[[name]]) <- given[[name]]
    if (is.null(new)) next
    own <- union(levels(rows[[name]]), levels(droplevels(new[[name]])))   # a new group is a new level
    new[[name]] <- factor(as.character(new[[name]]), levels = own, ordered = is.ordered(rows[[name]]))
    if (identical(own, levels(rows[[name]]))) attr(new[[name]], "contrasts") <- attr(rows[[name]], "contrasts")
  }
  list(rows = rows, new = new)
}

analyse <- function(entry, frame) {
  data <- prepared(entry, frame)
  rows <- data$rows
  weights <- if (nzchar(entry$weights)) rows[[entry$weights]]
  fit <- fit_lmm(as.formula(entry$formula), rows, entry$reml == "TRUE", "tight", weights)
  found <- list(criterion = criterion(fit), singular = isSingular(fit), sigma = sigma(fit), covariance = random_covariance(fit))
  if (!is.null(data$new)) found$predictions <- or_error(predictions_of(fit, data$new))
  if (nzchar(entry$smaller)) found$comparison <- or_error(comparison_of(entry$smaller, entry$formula, rows))
  fit <- lmerTest::as_lmerModLmerTest(fit)
  for (method in split_names(entry$methods)) {
    found$coefficients[[method]] <- or_error(coefficients_of(fit, METHODS[[method]]))
    for (type in split_names(entry$types)) found$anova[[method]][[type]] <- or_error(tests_of(fit, METHODS[[method]], type))
    if (nzchar(entry$specs)) found$emmeans[[method]] <- or_error(means_of(fit, rows, method, entry))
  }
  found
}

folder <- argument(1, stop("give the folder"))
questions <- read_text(file.path(folder, "questions.csv"))
frame <- frames_in(folder)
write_json(list(versions = versions(c("lme4", "lmerTest", "pbkrtest", "emmeans")),
                results = for_each_dataset(questions, function(entry) analyse(entry, frame))), file.path(folder, "answers.json"))
