# Ordinary least squares with cluster-robust variances on many stacked datasets (clubSandwich and sandwich).
#
#   Rscript fit_robust.R input.csv output.json [formula]
#
# input.csv: columns dataset, Group, DV, IV1.. IVk.  Formula: DV ~ IV1 + .. unless given; clusters: Group.
# Scales of the variances (G clusters, N rows, p coefficients), all as clubSandwich has them:
#   CR0 1;  CR1 G/(G-1);  CR1p G/(G-p);  CR1S G(N-1)/((G-1)(N-p));  CR2, CR3 1 (others scale CR3 by (G-1)/G).

suppressMessages({ library(sandwich); library(clubSandwich) })

this_file <- function() {
  from_source <- Filter(Negate(is.null), lapply(sys.frames(), function(frame) frame$ofile))
  if (length(from_source)) from_source[[length(from_source)]]
  else sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
}
source(file.path(dirname(this_file()), "common.R"))

# `cluster` stays aligned with the fitted rows only if rows with missing values go first.
complete_rows <- function(formula, data, group) {
  data <- data[complete.cases(data[c(all.vars(formula), group)]), , drop = FALSE]
  data[[group]] <- factor(data[[group]])
  droplevels(data)
}

describe_ols <- function(fit) {
  table <- coef(summary(fit))
  list(names = I(rownames(table)), estimate = I(table[, 1]), se = I(table[, 2]), df = fit$df.residual,
       t = I(table[, 3]), p = I(table[, 4]), sigma = sigma(fit), vcov = unname(vcov(fit)))
}

# df: Satterthwaite (Bell-McCaffrey) under the working model of independent errors.
# p_g1 is the p value with G - 1 degrees of freedom instead (Stata, fixest).
describe_cr <- function(fit, cluster, type) {
  V <- vcovCR(fit, cluster = cluster, type = type)
  tests <- as.data.frame(coef_test(fit, vcov = V, test = "Satterthwaite"))
  se <- sqrt(diag(as.matrix(V)))
  t <- coef(fit) / se
  list(vcov = unname(matrix(V, nrow(V))), se = I(se), t = I(t), df = I(tests$df_Satt), p = I(tests$p_Satt),
       p_g1 = I(2 * pt(-abs(t), nlevels(cluster) - 1)))
}

describe_robust <- function(formula, data, group) {
  environment(formula) <- environment()
  data <- complete_rows(formula, data, group)
  fit <- lm(formula, data)
  cluster <- data[[group]]
  types <- c("CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3")
  # A variance that does not exist (CR3 with a column that lives in one cluster) is an error of its own.
  robust <- sapply(types, function(type) tryCatch(describe_cr(fit, cluster, type),
                   error = function(e) list(error = conditionMessage(e))), simplify = FALSE)
  # sandwich spells CR0 as HC0 without adjustment and CR1S as HC1 with it: a second opinion on the first.
  second <- list(CR0 = vcovCL(fit, cluster, type = "HC0", cadjust = FALSE), CR1S = vcovCL(fit, cluster, type = "HC1"))
  list(n_rows = nrow(data), n_groups = nlevels(cluster), ols = describe_ols(fit), robust = robust,
       sandwich = lapply(second, unname))
}

main <- function() {
  rows <- read_stacked(argument(1, stop("usage: fit_robust.R input.csv output.json [formula]")))
  terms <- paste(c(predictors(rows), if (!length(predictors(rows))) "1"), collapse = " + ")
  formula <- argument(3, paste("DV ~", terms))
  analyse <- function(data) {
    begin <- cpu_seconds()
    described <- describe_robust(as.formula(formula), data, "Group")
    c(described, list(seconds = round(cpu_seconds() - begin, 3)))
  }
  write_json(list(formula = formula, versions = versions(c("clubSandwich", "sandwich")),
                  results = for_each_dataset(rows, analyse)), argument(2, "robust.json"))
}

if (sys.nframe() == 0L) main()   # only when run, not when sourced
