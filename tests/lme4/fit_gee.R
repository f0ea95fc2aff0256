# Generalised estimating equations (geepack) on many stacked datasets.
#
#   Rscript fit_gee.R input.csv output.json
#
# input.csv: columns dataset, Group, DV, IV1.. IVk, the rows of a group together and in order.  geepack stops at 1e-4 as it comes;
# here its equations are solved to 1e-13.

suppressMessages(library(geepack))

this_file <- function() sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
source(file.path(dirname(this_file()), "common.R"))

describe <- function(formula, data, working) {
  environment(formula) <- environment()
  fit <- geeglm(formula, id = Group, data = data, corstr = working, std.err = "san.se",
                control = geese.control(epsilon = 1e-13, maxit = 500))
  table <- coef(summary(fit))
  list(estimate = I(table[, 1]), se = I(table[, 2]), p = I(table[, 4]), vcov = unname(vcov(fit)),
       phi = unname(fit$geese$gamma), alpha = I(unname(fit$geese$alpha)), converged = fit$geese$error == 0)
}

rows <- read_stacked(argument(1, stop("usage: fit_gee.R input.csv output.json")))
formula <- as.formula(paste("DV ~", paste(predictors(rows), collapse = " + ")))
analyse <- function(data) sapply(c("independence", "exchangeable", "ar1"), function(w) describe(formula, data, w), simplify = FALSE)
write_json(list(versions = versions("geepack"), results = for_each_dataset(rows, analyse)), argument(2, "gee.json"))
