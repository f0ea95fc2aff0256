# Posterior of sleepstudy by rstanarm with its default priors: Rscript tests/reference/make_rstanarm.R writes rstanarm.json.
suppressMessages({library(rstanarm); library(jsonlite)})
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(FALSE), value = TRUE)))
sleepstudy <- read.csv(file.path(here, "data", "sleepstudy.csv"))
begin <- proc.time()
fit <- stan_lmer(Reaction ~ Days + (Days | Subject), sleepstudy, chains = 4, iter = 3000, warmup = 1000, seed = 1, cores = 1,
                 refresh = 0, adapt_delta = 0.95)
seconds <- (proc.time() - begin)[1:2]
draws <- as.array(fit, pars = c("(Intercept)", "Days", "sigma"))
sigma <- as.array(fit, regex_pars = "^Sigma")
a <- sigma[, , "Sigma[Subject:(Intercept),(Intercept)]"]
b <- sigma[, , "Sigma[Subject:Days,(Intercept)]"]
d <- sigma[, , "Sigma[Subject:Days,Days]"]
every <- list("(Intercept)" = draws[, , 1], Days = draws[, , 2], sigma = draws[, , 3], "sd_(Intercept)" = sqrt(a), sd_Days = sqrt(d),
              "cor_(Intercept)_Days" = b / sqrt(a * d))
one <- function(x) {
  ess <- rstan::ess_bulk(x)
  tail <- rstan::ess_tail(x)
  v <- as.vector(x)
  density <- density(v)
  at <- function(p) approx(density$x, density$y, quantile(v, p))$y
  q <- function(p) sqrt(p * (1 - p) / tail) / at(p)
  list(mean = mean(v), sd = sd(v), q5 = unname(quantile(v, .05)), q95 = unname(quantile(v, .95)), rhat = rstan::Rhat(x),
       mcse = list(mean = sd(v) / sqrt(ess), sd = sd(v) / sqrt(2 * min(ess, tail)), q5 = unname(q(.05)), q95 = unname(q(.95))), ess = ess)
}
out <- list(versions = list(R = R.version.string, rstanarm = as.character(packageVersion("rstanarm"))), cpu_seconds = sum(seconds),
            datasets = list(sleepstudy = list(formula = "Reaction ~ Days + (Days | Subject)", priors = "rstanarm",
                                              parameters = lapply(every, one))))
write(toJSON(out, auto_unbox = TRUE, digits = 10, pretty = 1), file.path(here, "rstanarm.json"))
cat("CPU seconds", sum(seconds), "smallest ESS", min(sapply(out$datasets$sleepstudy$parameters, `[[`, "ess")), "\n")
