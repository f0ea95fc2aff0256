# Effective draws of rstanarm: Rscript rstanarm.R DATA.csv DRAWS prints "CPU seconds, smallest bulk ESS" of 4 chains, one core.
suppressMessages(library(rstanarm))
arguments <- commandArgs(trailingOnly = TRUE)
data <- read.csv(arguments[1])
draws <- as.integer(arguments[2])
formula <- DV ~ IV1 + IV2 + IV3 + (IV1 + IV2 + IV3 | Group)
begin <- proc.time()
fit <- stan_lmer(formula, data, chains = 4, cores = 1, warmup = draws, iter = 2 * draws, seed = 1, refresh = 0)
spent <- sum((proc.time() - begin)[1:2])
array <- as.array(fit)
names <- dimnames(array)$parameters
shown <- names[!startsWith(names, "b[")]  # fixed effects, sigma, variances and covariances
cat("result", spent, min(sapply(shown, function(name) rstan::ess_bulk(array[, , name]))), length(shown), "\n")
