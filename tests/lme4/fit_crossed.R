# Analyses by subjects and by items (aov), and multi-way clustered least squares (sandwich), of many stacked datasets.
#
#   Rscript fit_crossed.R input.csv output.json
#
# input.csv: columns dataset, Group (the subject), item, lab, DV, within, between, with conditions -.5 and .5. Of each analysis of variance
# of the units' means by condition there are F, the df of its error and p of every effect, with an interaction and without; min F' is
# Clark's (1973) formula, written out. Datasets in which a unit lacks a condition have no analysis by its kind of unit.

suppressMessages(library(sandwich))
this_file <- function() sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
source(file.path(dirname(this_file()), "common.R"))

# Every effect in the stratum in which it is tested.
tests_of <- function(fit) {
  found <- list()
  for (stratum in summary(fit)) {
    table <- stratum[[1]]
    names <- trimws(rownames(table))
    for (effect in setdiff(names, "Residuals")) {
      at <- match(effect, names)
      found[[effect]] <- c(table[at, "F value"], table[match("Residuals", names), "Df"], table[at, "Pr(>F)"])
    }
  }
  found
}

by_unit <- function(data, unit, interaction) {
  data$unit <- data[[unit]]
  means <- aggregate(DV ~ unit + within + between, data, mean)
  varies <- names(Filter(function(x) any(tapply(means[[x]], means$unit, function(v) length(unique(v))) > 1), c(within = "within", between = "between")))
  means$within <- C(factor(means$within), contr.sum)
  means$between <- C(factor(means$between), contr.sum)
  join <- if (interaction) " * " else " + "
  # The error of an effect within units is its own interaction with them.
  error <- sprintf("Error(unit / (%s))", paste(varies, collapse = " * "))
  tests_of(aov(as.formula(paste0("DV ~ within", join, "between + ", error)), means))
}

min_f <- function(first, second) {
  f <- first[1] * second[1] / (first[1] + second[1])
  df <- (first[1] + second[1])^2 / (first[1]^2 / second[2] + second[1]^2 / first[2])
  c(f, df, pf(f, 1, df, lower.tail = FALSE))
}

analyses <- function(data, interaction) {
  subjects <- by_unit(data, "Group", interaction)
  items <- by_unit(data, "item", interaction)
  effects <- intersect(names(subjects), names(items))
  list(subject = subjects, item = items, min_f = sapply(effects, function(e) min_f(subjects[[e]], items[[e]]), simplify = FALSE))
}

clustered <- function(data) {
  fit <- lm(DV ~ within + between, data)
  ways <- list(two = data[c("Group", "item")], three = data[c("Group", "item", "lab")])
  lapply(ways, function(cluster) {
    one <- function(...) unname(vcovCL(fit, cluster, ..., fix = TRUE))
    list(CR0 = one(type = "HC0", cadjust = FALSE), CR1 = one(type = "HC0"), CR1S = one(type = "HC1"), CR2 = one(type = "HC2"))
  })
}

rows <- read_stacked(argument(1, stop("usage: fit_crossed.R input.csv output.json")))
rows$item <- factor(rows$item)
rows$lab <- factor(rows$lab)
whole <- function(data) all(table(data$Group, data$item) == 2)
analyse <- function(data) {
  found <- list(clustered = clustered(data))
  if (whole(data)) found <- c(found, list(full = analyses(data, TRUE), additive = analyses(data, FALSE)))
  found
}
write_json(list(versions = versions("sandwich"), results = for_each_dataset(rows, analyse)), argument(2, "crossed.json"))
