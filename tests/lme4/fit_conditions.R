# Everything R says about stacked datasets, each with a model of its own: lme4, lmerTest, pbkrtest, clubSandwich.
#
#   Rscript fit_conditions.R input.csv output.json
#
# input.csv: columns dataset, Group, DV, predictors, and, constant within a dataset: formula (lme4's), method (REML, ML or none),
# effort (as for fit_lme4.R) and kenward_roger (1 or 0). The regression has the fixed effects of the formula; clusters: Group.

this_file <- function() {
  from_source <- Filter(Negate(is.null), lapply(sys.frames(), function(frame) frame$ofile))
  if (length(from_source)) from_source[[length(from_source)]]
  else sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
}
here <- dirname(this_file())
source(file.path(here, "fit_lme4.R"))
source(file.path(here, "fit_robust.R"))

mixed_model <- function(formula, data, asked) {
  fit <- fit_lmm(formula, data, asked$method == "REML", asked$effort)
  described <- describe_lmm(fit)
  if (asked$kenward_roger == "1")
    described$kenward_roger <- tryCatch(describe_kenward_roger(fit)[c("se", "df", "p")],
                                        error = function(e) list(error = conditionMessage(e)))
  described[setdiff(names(described), c("reml", "theta_names", "vcov_fixef", "lme4_messages"))]
}

regression <- function(formula, data) {
  described <- describe_robust(formula, data, "Group")
  parts <- function(one) if (is.null(one$error)) one[c("se", "df", "p")] else one
  list(ols = described$ols[c("names", "estimate", "se", "df", "p", "sigma")], robust = lapply(described$robust, parts))
}

analyse <- function(data) {
  asked <- lapply(data[1, c("formula", "method", "effort", "kenward_roger")], as.character)
  formula <- as.formula(asked$formula)
  begin <- cpu_seconds()
  mixed <- if (asked$method != "none") mixed_model(formula, data, asked)
  fitted <- cpu_seconds()
  plain <- regression(nobars(formula), data)
  c(list(formula = asked$formula, method = asked$method), list(mixed = mixed, least_squares = plain),
    list(seconds = list(mixed = round(fitted - begin, 3), least_squares = round(cpu_seconds() - fitted, 3))))
}

rows <- read_stacked(argument(1, stop("usage: fit_conditions.R input.csv output.json")))
write_json(list(versions = versions(c("lme4", "lmerTest", "pbkrtest", "clubSandwich", "minqa", "nloptr")),
                results = for_each_dataset(rows, analyse)), argument(2, "conditions.json"))
