# Within regressions (plm, clubSandwich) and robust means (MASS) of many stacked datasets.
#
#   Rscript fit_panel.R input.csv output.json
#
# input.csv: columns dataset, Group, DV, IV1.. IVk.  `huber` and `trimmed` are of the groups' own least-squares coefficients; the trimmed
# mean and its standard error are written out (Yuen 1974; the package WRS2 has them as trimse).

suppressMessages({ library(plm); library(clubSandwich); library(MASS) })

this_file <- function() sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
source(file.path(dirname(this_file()), "common.R"))

# clubSandwich looks for the data where the formula was made.
describe_within <- function(formula, data) {
  environment(formula) <- environment()
  data$place <- ave(data$DV, data$Group, FUN = seq_along)
  fit <- plm(formula, data = data, index = c("Group", "place"), model = "within")
  table <- coef(summary(fit))
  robust <- sapply(c("CR0", "CR1", "CR2", "CR3"), function(type) {
    tests <- as.data.frame(coef_test(fit, vcov = type, cluster = data$Group, test = "Satterthwaite"))
    list(se = I(tests$SE), df = I(tests$df_Satt))
  }, simplify = FALSE)
  arellano <- vcovHC(fit, method = "arellano", type = "HC0", cluster = "group")
  list(estimate = I(table[, 1]), se = I(table[, 2]), p = I(table[, 4]), df = fit$df.residual, robust = robust,
       arellano = I(sqrt(diag(arellano))))
}

describe_huber <- function(b) {
  fit <- rlm(b ~ 1, maxit = 2000, acc = 1e-14)
  c(coef(fit), coef(summary(fit))[, 2])
}

describe_trimmed <- function(b, trim) {
  g <- floor(trim * length(b))
  ordered <- sort(b)
  winsorised <- pmin(pmax(b, ordered[g + 1]), ordered[length(b) - g])
  c(mean(b, trim = trim), sd(winsorised) / ((1 - 2 * trim) * sqrt(length(b))))
}

rows <- read_stacked(argument(1, stop("usage: fit_panel.R input.csv output.json")))
formula <- as.formula(paste("DV ~", paste(predictors(rows), collapse = " + ")))
analyse <- function(data) {
  own <- t(sapply(split(data, data$Group), function(group) coef(lm(formula, group))))
  list(within = describe_within(formula, data), huber = t(apply(own, 2, describe_huber)),
       trimmed = t(apply(own, 2, describe_trimmed, trim = 0.2)), less = t(apply(own, 2, describe_trimmed, trim = 0.1)))
}
write_json(list(versions = versions(c("plm", "clubSandwich", "MASS")), results = for_each_dataset(rows, analyse)),
           argument(2, "panel.json"))
