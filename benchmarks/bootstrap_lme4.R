# Seconds of lme4's bootMer, parametric, of the maximal model of sleepstudy.
#
#   Rscript benchmarks/bootstrap_lme4.R rows.csv draws refits.csv summary.csv
#
# rows.csv: columns Reaction, Days, Subject. The model is fitted by REML and bootMer simulates and refits `draws` times, returning
#   fixed effects, standard deviations, correlation and sigma.
# refits.csv: these; summary.csv: seconds, CPU (user + system) and on the clock, after a first call of 5 draws that does not count.

suppressMessages(library(lme4))

given <- commandArgs(trailingOnly = TRUE)
if (length(given) != 4) stop("usage: bootstrap_lme4.R rows.csv draws refits.csv summary.csv")
rows <- read.csv(given[1])
rows$Subject <- factor(rows$Subject)
quietly <- function(call) suppressMessages(suppressWarnings(call))
parameters <- function(fit) {
  parts <- as.data.frame(VarCorr(fit))
  c(fixef(fit), parts$sdcor)
}

runs <- list(`bootMer()` = lmerControl(), `bootMer(), calc.derivs = FALSE` = lmerControl(calc.derivs = FALSE))
taken <- list()
for (way in names(runs)) {
  fit <- quietly(lmer(Reaction ~ Days + (Days | Subject), rows, control = runs[[way]]))
  quietly(bootMer(fit, parameters, nsim = 5, seed = 1))
  gc(FALSE)
  begin <- proc.time()
  found <- quietly(bootMer(fit, parameters, nsim = as.integer(given[2]), seed = 1))
  seconds <- proc.time() - begin
  taken[[way]] <- data.frame(way = way, refits = nrow(found$t), cpu = sum(seconds[1:2]), wall = seconds[[3]])
}
refits <- as.data.frame(found$t)
names(refits) <- c("(Intercept)", "Days", "sd0", "sd1", "correlation", "sigma")
write.csv(refits, given[3], row.names = FALSE)
write.csv(do.call(rbind, taken), given[4], row.names = FALSE)
cat("R", paste(R.version$major, R.version$minor, sep = "."), "lme4", format(packageVersion("lme4")), "\n")
