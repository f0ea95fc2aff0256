# Fit the reference models with R and write reference.json (or another file):  Rscript make_reference.R [reference.json]
#
# Mixed models: lme4, tight optimum from several starts (fit_lmm in ../lme4/fit_lme4.R), lmerTest for the
# Satterthwaite df. Relative accuracy away from singular fits: criterion 1e-13, theta, sigma, SE 1e-8 or better,
# df 1e-5 (lmerTest differentiates numerically).
# Least squares: lm, clubSandwich, sandwich, and the two-stage analysis (per-group lm, then a one-sample t).

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
source(file.path(here, "..", "lme4", "fit_lme4.R"))
source(file.path(here, "..", "lme4", "fit_robust.R"))

files <- list.files(file.path(here, "data"), full.names = TRUE)
data_sets <- setNames(lapply(files, read_rows), sub("\\.csv(\\.gz)?$", "", basename(files)))
grouping <- c(sleepstudy = "Subject", dyestuff = "Batch", dyestuff2 = "Batch", cake = "unit", machines = "Worker",
              orthodont = "Subject", oxboys = "Subject", chickweight = "Chick", awkward = "group",
              grunfeld = "firm", petersen = "firm")

# name = list(data, formula, fits): each becomes name_reml and/or name_ml.
both <- c("reml", "ml")
mixed <- list(
  sleepstudy           = list("sleepstudy", Reaction ~ Days + (Days | Subject), both),
  sleepstudy_zerocorr  = list("sleepstudy", Reaction ~ Days + (Days || Subject), both),
  sleepstudy_intercept = list("sleepstudy", Reaction ~ Days + (1 | Subject), both),
  sleepstudy_slope     = list("sleepstudy", Reaction ~ Days + (0 + Days | Subject), both),
  sleepstudy_quadratic_zerocorr = list("sleepstudy", Reaction ~ Days + I(Days^2) + (Days || Subject), "reml"),
  sleepstudy_quadratic_blocks   = list("sleepstudy",
    Reaction ~ Days + I(Days^2) + (1 | Subject) + (0 + Days + I(Days^2) | Subject), "reml"),
  sleepstudy_quadratic_zerocorr3 = list("sleepstudy", Reaction ~ Days + I(Days^2) + (Days + I(Days^2) || Subject), "reml"),
  sleepstudy_no_fixed_slope = list("sleepstudy", Reaction ~ 1 + (Days | Subject), both),
  dyestuff    = list("dyestuff", Yield ~ 1 + (1 | Batch), both),
  dyestuff2   = list("dyestuff2", Yield ~ 1 + (1 | Batch), both),
  orthodont   = list("orthodont", distance ~ age * Sex + (age | Subject), both),
  oxboys      = list("oxboys", height ~ age + (age | Subject), both),
  chickweight = list("chickweight", weight ~ Time * Diet + (Time | Chick), both),
  cake        = list("cake", angle ~ recipe + temp + (1 | unit), both),
  machines    = list("machines", score ~ Machine + (1 | Worker), both),
  machines_slopes   = list("machines", score ~ Machine + (Machine | Worker), both),
  awkward           = list("awkward", y ~ x + condition + (x | group), both),
  awkward_intercept = list("awkward", y ~ x + condition + (1 | group), both),
  awkward_no_fixed_slope = list("awkward", y ~ 1 + (x | group), both),
  # Three random effects, covariance of rank one: theta is not unique, compare the covariance only.
  awkward_singular       = list("awkward", y ~ x + condition + (condition | group), both))

# name = list(data, formula, two-stage too?): no two-stage where a predictor is constant within groups.
least_squares <- list(
  sleepstudy  = list("sleepstudy", Reaction ~ Days, TRUE),
  sleepstudy_quadratic = list("sleepstudy", Reaction ~ Days + I(Days^2), TRUE),
  dyestuff    = list("dyestuff", Yield ~ 1, TRUE),
  grunfeld    = list("grunfeld", invest ~ value + capital, TRUE),
  petersen    = list("petersen", y ~ x, TRUE),
  oxboys      = list("oxboys", height ~ age, TRUE),
  machines    = list("machines", score ~ Machine, TRUE),
  orthodont   = list("orthodont", distance ~ age * Sex, FALSE),
  orthodont_age = list("orthodont", distance ~ age, TRUE),
  chickweight = list("chickweight", weight ~ Time * Diet, FALSE),
  chickweight_time = list("chickweight", weight ~ Time, TRUE),
  cake        = list("cake", angle ~ recipe + temp, FALSE),
  awkward     = list("awkward", y ~ x + condition, FALSE),
  awkward_x   = list("awkward", y ~ x, TRUE))

# as.character() on a formula breaks long lines; this keeps it on one.
one_line <- function(formula) paste(deparse(formula, width.cutoff = 500L), collapse = " ")

reference_mixed <- function(entry, kind) {
  data <- data_sets[[entry[[1]]]]
  data[[grouping[entry[[1]]]]] <- factor(data[[grouping[entry[[1]]]]])
  fit <- fit_lmm(entry[[2]], data, kind == "reml", effort = "best")
  deviance <- fit_once(entry[[2]], data, kind == "reml", devFunOnly = TRUE)
  described <- describe_lmm(fit, groups = 3)
  theta <- getME(fit, "theta")
  by_scale <- gradient(function(u) deviance(theta + pmax(abs(theta), 1e-3) * u), length(theta))
  described$max_gradient <- max(abs(by_scale) / pmax(abs(theta), 1e-3))
  if (kind == "reml") described$kenward_roger <- describe_kenward_roger(fit)[c("se", "df", "t", "p")]
  c(list(data = entry[[1]], formula = one_line(entry[[2]]), group = unname(grouping[entry[[1]]])), described)
}

# A group enters only when its own lm determines every coefficient.
two_stage <- function(formula, data, group) {
  data <- complete_rows(formula, data, group)
  per_group <- t(sapply(split(data, data[[group]]), function(rows) coef(lm(formula, rows))))
  if (nrow(per_group) == 1) per_group <- t(per_group)   # one coefficient: sapply gave a vector
  per_group <- per_group[complete.cases(per_group), , drop = FALSE]
  tests <- apply(per_group, 2, t.test)
  from_test <- function(what) I(unname(vapply(tests, function(test) test[[what]][[1]], 0)))
  first <- head(seq_len(nrow(per_group)), 3)
  list(n_groups_used = nrow(per_group), estimate = from_test("estimate"), se = from_test("stderr"),
       df = nrow(per_group) - 1L, t = from_test("statistic"), p = from_test("p.value"),
       first_groups = setNames(lapply(first, function(i) I(unname(per_group[i, ]))), rownames(per_group)[first]))
}

reference_least_squares <- function(entry) {
  data <- data_sets[[entry[[1]]]]
  group <- unname(grouping[entry[[1]]])
  described <- describe_robust(entry[[2]], data, group)
  for (type in names(described$sandwich))   # two packages, one number
    stopifnot(all.equal(described$robust[[type]]$vcov, described$sandwich[[type]], tolerance = 1e-9))
  described$sandwich <- NULL
  if (entry[[3]]) described$two_stage <- two_stage(entry[[2]], data, group)
  c(list(data = entry[[1]], formula = one_line(entry[[2]]), group = group), described)
}

mixed_results <- list()
for (name in names(mixed)) for (kind in mixed[[name]][[3]]) {
  cat("mixed model ", name, " ", kind, "\n", sep = "")
  mixed_results[[paste(name, kind, sep = "_")]] <- reference_mixed(mixed[[name]], kind)
}
write_json(list(
  versions = versions(c("lme4", "lmerTest", "pbkrtest", "clubSandwich", "sandwich", "minqa", "nloptr")),
  mixed = mixed_results,
  least_squares = lapply(least_squares, reference_least_squares)), argument(1, file.path(here, "reference.json")))
print(warnings())
