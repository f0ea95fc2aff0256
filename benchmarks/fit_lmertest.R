# CPU seconds of lmerTest::lmer and of its summary (Satterthwaite df) on stacked datasets.
#
#   Rscript benchmarks/fit_lmertest.R input.csv output.csv NAME=FORMULA ..
#
# input.csv: columns dataset, Group (or subject and item), DV, IV1.. ; every model is fitted to every dataset, by REML, with lme4's defaults.
# output.csv: a row per dataset and model: user + system seconds, the REML criterion, singular or not, and per coefficient
# its estimate, standard error and df. Starting R, reading the rows and a first fit (which compiles R's own functions) do not count.

suppressMessages({ library(lme4); library(lmerTest) })

cpu_seconds <- function() sum(proc.time()[1:2])

quietly <- function(call) suppressMessages(suppressWarnings(call))

fit_one <- function(formula, rows) {
  gc(FALSE)  # otherwise a fit pays for the rubbish of the ones before it
  begin <- cpu_seconds()
  fit <- quietly(lmerTest::lmer(formula, data = rows))
  fitted <- cpu_seconds()
  table <- quietly(coef(summary(fit)))
  end <- cpu_seconds()
  per_term <- unlist(lapply(c(estimate = "Estimate", se = "Std. Error", df = "df"), function(column) setNames(table[, column], rownames(table))))
  data.frame(fit_seconds = fitted - begin, summary_seconds = end - fitted,
             criterion = REMLcrit(fit), singular = isSingular(fit), as.list(per_term), check.names = FALSE)
}

given <- commandArgs(trailingOnly = TRUE)
if (length(given) < 3) stop("usage: fit_lmertest.R input.csv output.csv NAME=FORMULA ..")
models <- lapply(setNames(sub("^[^=]*=", "", given[-(1:2)]), sub("=.*", "", given[-(1:2)])), as.formula)

rows <- read.csv(given[1])
for (name in intersect(c("Group", "subject", "item"), names(rows))) rows[[name]] <- factor(rows[[name]])
parts <- lapply(split(rows, rows$dataset), droplevels)

for (formula in models) fit_one(formula, parts[[1]])
results <- lapply(names(models), function(name) lapply(names(parts), function(key)
  cbind(data.frame(dataset = as.integer(key), model = name), fit_one(models[[name]], parts[[key]]))))
write.csv(do.call(rbind, unlist(results, recursive = FALSE)), given[2], row.names = FALSE)
cat("R", paste(R.version$major, R.version$minor, sep = "."), "lme4", format(packageVersion("lme4")),
    "lmerTest", format(packageVersion("lmerTest")), "\n")
