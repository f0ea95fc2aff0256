# Intervals of R for fits of the reference data to postestimation.json:  Rscript make_postestimation.R
#
# profile: lme4's confint (ML also after REML), standard deviations and correlations; lme4 interpolates, good to about 1e-4 of the
#   interval. Of Machines it warns of profiles that are not monotone: its correlations are left out (NULL).
# wald: lme4's normal intervals of fixed effects.
# conditional: standard deviations of the conditional modes (condVar), a row a group.
# linear: predict.lm with both kinds of intervals for the new rows of `newdata`.

suppressMessages(library(lme4))
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
source(file.path(here, "..", "lme4", "common.R"))
rows_of <- function(name, group) {
  rows <- read_rows(file.path(here, "data", paste0(name, ".csv")))
  if (length(group)) rows[[group]] <- factor(rows[[group]])
  rows
}

mixed <- list(
  sleepstudy             = list("sleepstudy", Reaction ~ Days + (Days | Subject), "Subject", TRUE),
  sleepstudy_ml          = list("sleepstudy", Reaction ~ Days + (Days | Subject), "Subject", FALSE),
  sleepstudy_independent = list("sleepstudy", Reaction ~ Days + (Days || Subject), "Subject", TRUE),
  cake                   = list("cake", angle ~ recipe + temp + (1 | unit), "unit", TRUE),
  machines               = list("machines", score ~ Machine + (Machine | Worker), "Worker", TRUE),
  dyestuff               = list("dyestuff", Yield ~ 1 + (1 | Batch), "Batch", TRUE),
  dyestuff2              = list("dyestuff2", Yield ~ 1 + (1 | Batch), "Batch", TRUE))

describe <- function(entry) {
  fit <- suppressMessages(lmer(entry[[2]], rows_of(entry[[1]], entry[[3]]), REML = entry[[4]]))
  trusted <- TRUE
  limits <- withCallingHandlers(confint(fit, quiet = TRUE, oldNames = FALSE), warning = function(w) {
    trusted <<- FALSE
    invokeRestart("muffleWarning")
  })
  # Standard deviations, correlations (earlier term first), sigma, as jaxsim orders them; fixed effects first.
  names <- rownames(limits)
  kinds <- list(fixed = setdiff(names, c("sigma", grep("^(sd|cor)_", names, value = TRUE))), sd = grep("^sd_", names, value = TRUE),
                cor = grep("^cor_", names, value = TRUE), sigma = "sigma")
  part <- function(kind) unname(limits[kinds[[kind]], , drop = FALSE])
  variances <- attr(ranef(fit, condVar = TRUE)[[1]], "postVar")
  deviations <- if (is.list(variances)) sqrt(unname(sapply(variances, c))) else   # a term of its own for each effect
    matrix(apply(variances, 3, function(v) sqrt(diag(as.matrix(v)))), nrow = dim(variances)[3], byrow = TRUE)
  list(data = entry[[1]], formula = paste(deparse(entry[[2]]), collapse = " "), reml = entry[[4]],
       profile = list(fixed = part("fixed"), sd = part("sd"), cor = if (trusted) part("cor"), sigma = part("sigma"), trusted = trusted),
       wald = unname(confint(fit, method = "Wald", parm = "beta_")), conditional = deviations)
}

linear <- function(name, formula, newdata) {
  fit <- lm(formula, rows_of(name, NULL))
  interval <- function(kind) unname(predict(fit, newdata, interval = kind, level = .9))
  list(data = name, formula = paste(deparse(formula), collapse = " "), newdata = newdata,
       se = unname(predict(fit, newdata, se.fit = TRUE)$se.fit), confidence = interval("confidence"), prediction = interval("prediction"))
}

write_json(list(versions = versions("lme4"), mixed = lapply(mixed, describe),
                linear = list(linear("sleepstudy", Reaction ~ Days + I(Days^2), data.frame(Days = c(0, 4.5, 12))),
                              linear("cake", angle ~ recipe * temp, data.frame(recipe = c("B", "A", "C"), temp = c(180, 200, 250))))),
           file.path(here, "postestimation.json"))
