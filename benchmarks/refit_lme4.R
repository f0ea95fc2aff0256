# Seconds of lme4's refit() on many responses of one design, and what lmer() finds for the same ones.
#
#   Rscript benchmarks/refit_lme4.R input.csv output.csv summary.csv
#
# input.csv: columns Days, Subject, y1, y2, .. ; (Days | Subject) is fitted to y1 by REML and refitted to each of the others.
# output.csv: a row per response but y1: REML criterion and standard errors of lmer(), and of refit(). The latter takes any model
#   to have one fixed effect in lme4 1.1-31 (refit.merMod hands REML = TRUE on as a number), so only lmer() can be compared with.
# summary.csv: seconds of all fits by way of fitting, CPU (user + system) and on the clock. A first refit does not count.

suppressMessages(library(lme4))

given <- commandArgs(trailingOnly = TRUE)
if (length(given) != 3) stop("usage: refit_lme4.R input.csv output.csv summary.csv")
rows <- read.csv(given[1])
rows$Subject <- factor(rows$Subject)
responses <- as.list(rows[grepl("^y[0-9]+$", names(rows))])
quietly <- function(call) suppressMessages(suppressWarnings(call))

fit <- function(y, ...) {
  rows$y <- y
  quietly(lmer(y ~ Days + (Days | Subject), data = rows, ...))
}

timed <- function(one) {
  one(responses[[1]])
  gc(FALSE)
  begin <- proc.time()
  fits <- lapply(responses[-1], one)
  list(seconds = proc.time() - begin, fits = fits)
}

refitted <- function(...) {
  model <- fit(responses[[1]], ...)
  timed(function(y) quietly(refit(model, y)))
}

runs <- list(`refit()` = refitted(), `refit(), calc.derivs = FALSE` = refitted(control = lmerControl(calc.derivs = FALSE)),
             `lmer()` = timed(fit))
errors <- function(fit) sqrt(diag(as.matrix(vcov(fit))))
found <- Map(function(anew, again) data.frame(criterion = REMLcrit(anew), se0 = errors(anew)[[1]], se1 = errors(anew)[[2]],
                                              refit0 = errors(again)[[1]], refit1 = errors(again)[[2]]),
             runs[["lmer()"]]$fits, runs[["refit()"]]$fits)
write.csv(do.call(rbind, found), given[2], row.names = FALSE)
taken <- lapply(names(runs), function(name) data.frame(
  way = name, refits = length(runs[[name]]$fits), cpu = sum(runs[[name]]$seconds[1:2]), wall = runs[[name]]$seconds[[3]]))
write.csv(do.call(rbind, taken), given[3], row.names = FALSE)
cat("R", paste(R.version$major, R.version$minor, sep = "."), "lme4", format(packageVersion("lme4")), "\n")
