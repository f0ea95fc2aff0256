# Two-way clustered variances of least-squares coefficients (sandwich) to two_way.json:  Rscript make_two_way.R
#
# sandwich spells CR0 as HC0 without cluster adjustment, CR1 as HC0 with it (every term by its own G/(G-1)), CR1S as HC1.
# The difference V_a + V_b - V_ab need not be positive semi-definite; vcov is what fix = TRUE makes of it (eigenvalues
# below zero set to zero), smallest_eigenvalue that of the difference itself.

suppressMessages(library(sandwich))
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
source(file.path(here, "..", "lme4", "common.R"))

fits <- list(
  petersen             = list("petersen", y ~ x, c("firm", "year")),
  grunfeld             = list("grunfeld", invest ~ value + capital, c("firm", "year")),
  sleepstudy           = list("sleepstudy", Reaction ~ Days, c("Subject", "Days")),
  sleepstudy_quadratic = list("sleepstudy", Reaction ~ Days + I(Days^2), c("Subject", "Days")),
  orthodont            = list("orthodont", distance ~ age * Sex, c("Subject", "age")),
  awkward              = list("awkward", y ~ x, c("group", "condition")))

describe <- function(entry) {
  path <- list.files(file.path(here, "data"), pattern = paste0("^", entry[[1]], "\\.csv"), full.names = TRUE)
  data <- read_rows(path)
  data <- data[complete.cases(data[c(all.vars(entry[[2]]), entry[[3]])]), ]
  fit <- lm(entry[[2]], data)
  clusters <- lapply(data[entry[[3]]], factor)
  variance <- function(...) {
    raw <- vcovCL(fit, clusters, ...)
    list(vcov = unname(vcovCL(fit, clusters, ..., fix = TRUE)),
         smallest_eigenvalue = min(eigen(raw, symmetric = TRUE, only.values = TRUE)$values))
  }
  list(data = entry[[1]], formula = paste(deparse(entry[[2]]), collapse = " "), cluster = I(entry[[3]]),
       n_rows = nrow(data), n_groups = I(vapply(clusters, nlevels, 0L)), names = I(names(coef(fit))),
       robust = list(CR0 = variance(type = "HC0", cadjust = FALSE), CR1 = variance(type = "HC0"), CR1S = variance(type = "HC1")))
}

write_json(list(versions = versions("sandwich"), two_way = lapply(fits, describe)), file.path(here, "two_way.json"))
