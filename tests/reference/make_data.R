# Write the reference data sets as CSV files:  Rscript make_data.R [folder]
# Grunfeld comes from Python (see README.md). Text columns sort to the wished order of their levels.

suppressMessages({ library(lme4); library(nlme) })
given <- commandArgs(trailingOnly = TRUE)
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
folder <- if (length(given)) given[1] else file.path(here, "data")

save_rows <- function(rows, name) {
  rows <- as.data.frame(lapply(rows, function(v) if (is.factor(v)) as.character(v) else v))
  path <- file.path(folder, paste0(name, ".csv"))
  write.csv(rows, path, row.names = FALSE, quote = FALSE, na = "")
}

save_rows(sleepstudy, "sleepstudy")
save_rows(Dyestuff, "dyestuff")
save_rows(Dyestuff2, "dyestuff2")
save_rows(transform(cake[c("recipe", "temp", "angle")], unit = paste0(cake$recipe, ":", cake$replicate)), "cake")
save_rows(nlme::Machines, "machines")
save_rows(nlme::Orthodont, "orthodont")
save_rows(nlme::Oxboys[c("Subject", "age", "height")], "oxboys")
save_rows(transform(as.data.frame(ChickWeight), Diet = paste0("D", Diet)), "chickweight")
data(list = c("ham", "carrots", "TVbo"), package = "lmerTest")
save_rows(ham, "ham")
save_rows(carrots[c("Consumer", "Homesize", "sens2", "Preference")], "carrots")
save_rows(TVbo[c("Assessor", "TVset", "Picture", "Coloursaturation")], "tvbo")
data(list = c("pigs", "fiber", "oranges", "nutrition", "feedlot"), package = "emmeans")
save_rows(pigs, "pigs")
save_rows(fiber, "fiber")
save_rows(oranges[c("store", "day", "price1", "sales1")], "oranges")
save_rows(nutrition, "nutrition")
save_rows(transform(feedlot, adj.ewt = ewt - predict(lm(ewt ~ herd, feedlot))), "feedlot")
save_rows(emmeans::auto.noise, "noise")
data(beets, package = "pbkrtest")
save_rows(beets, "beets")
save_rows(warpbreaks, "warpbreaks")
save_rows(mtcars[c("mpg", "cyl", "disp")], "mtcars")
save_rows(nlme::ergoStool, "ergostool")
data(PetersenCL, package = "sandwich")
petersen <- gzfile(file.path(folder, "petersen.csv.gz"), "w")   # 170 kB as text
write.csv(PetersenCL, petersen, row.names = FALSE, quote = FALSE)
close(petersen)

# Everything awkward at once: 2 to 40 rows a group, a predictor far from zero that also differs between
# groups, a categorical predictor missing from some groups, missing values, one group with no outcome.
RNGversion("4.2.0")
set.seed(41)
sizes <- c(2, 3, 40, 2, sample(4:30, 20, replace = TRUE))
group <- rep(sprintf("g%02d", seq_along(sizes)), sizes)
index <- rep(seq_along(sizes), sizes)
n <- length(group)
x <- round(20 + rnorm(length(sizes), 0, 5)[index] + rnorm(n, 0, 4), 3)
condition <- sample(c("high", "low", "mid"), n, replace = TRUE, prob = c(0.5, 0.3, 0.2))
intercepts <- rnorm(length(sizes), 0, 6)
slopes <- -0.1 * intercepts + rnorm(length(sizes), 0, 1.5)
y <- 500 + 3 * x + c(high = 0, low = 4, mid = -2)[condition] + intercepts[index] + slopes[index] * (x - 20) + rnorm(n, 0, 6)
y <- round(unname(y), 3)
y[sample(n, 12)] <- NA
y[group == "g07"] <- NA
x[sample(n, 8)] <- NA
condition[sample(n, 5)] <- NA
save_rows(data.frame(group, x, condition, y)[sample(n), ], "awkward")
