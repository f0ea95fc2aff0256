# A mixed model whose REML criterion has two optima, which differ in the signs of correlations, to two_optima.json:
#   Rscript make_two_optima.R
#
# lme4 ends in one or the other by where it starts: from fifty random factors, the lowest criterion and the next.

suppressMessages({ library(lme4); library(lmerTest) })
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
source(file.path(here, "..", "lme4", "common.R"))

rows <- read.csv(file.path(here, "data", "two_optima.csv"))
rows$g <- factor(rows$g)
TIGHT <- lmerControl(optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-12, maxeval = 1e5), check.conv.singular = "ignore")

set.seed(1)
from <- function(theta) suppressWarnings(suppressMessages(
  lmerTest::lmer(y ~ t + h + (factor(i) | g), rows, start = theta, control = TIGHT)))
fits <- lapply(1:50, function(k) from(c(abs(rnorm(1)), rnorm(2), abs(rnorm(1)), rnorm(1), abs(rnorm(1)))))
criteria <- vapply(fits, function(fit) -2 * as.numeric(logLik(fit)), 0)
best <- fits[[which.min(criteria)]]
table <- coef(summary(best))
write_json(list(versions = versions(c("lme4", "lmerTest")), formula = "y ~ t + h + (factor(i) | g)",
                criterion = min(criteria), next_criterion = min(criteria[criteria > min(criteria) + 0.01]),
                from_the_identity = -2 * as.numeric(logLik(from(NULL))), sigma = sigma(best),
                names = I(rownames(table)), estimate = I(unname(table[, 1])), se = I(unname(table[, 2])),
                covariance = unname(as.matrix(VarCorr(best)$g)[1:3, 1:3])), file.path(here, "two_optima.json"))
