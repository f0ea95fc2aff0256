# Model matrices of R for formulas of every kind, and predictions of lm for new rows, to formulas.json:  Rscript make_formulas.R
#
# Every entry has the formula in jaxsim's spelling (ours), which names contrasts as C(f, Sum); R has them from contrasts.arg.

suppressMessages({library(splines); library(MASS)})
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
source(file.path(here, "..", "lme4", "common.R"))
set.seed(14)

n <- 40
rows <- data.frame(
  y = rnorm(n), x = rnorm(n, 3, 2), z = runif(n, 1, 4), age = rep(c(8, 10, 12, 14), 10),
  f = factor(sample(c("low", "mid", "high"), n, TRUE, c(.5, .3, .2)), levels = c("low", "mid", "high")),
  h = factor(sample(c("u", "v"), n, TRUE)), k = factor(sample(c("b", "a b", "1", "x:y"), n, TRUE), levels = c("x:y", "b", "1", "a b")),
  b = rep(c(TRUE, FALSE, FALSE, TRUE, FALSE), 8))
rows$o <- factor(sample(1:4, n, TRUE), labels = c("never", "some", "often", "always"), ordered = TRUE)
new <- data.frame(x = c(0, 2.5, 3, 9, -4), z = c(2, 1.5, 3.9, 1, 4.5), age = c(8, 9, 14, 20, 11),
                  f = c("high", "low", "mid", "mid", "low"), h = c("v", "u", "u", "v", "v"))

entry <- function(ours, theirs = ours, contrasts = NULL) {
  if (is.null(contrasts$o)) contrasts$o <- if (grepl("\\bo\\b", theirs)) "contr.treatment"
  found <- model.matrix(as.formula(theirs), rows, contrasts)
  list(ours = ours, ordered = "treatment", names = I(colnames(found)), values = I(as.vector(found)))
}
poly_entry <- function(ours) {
  found <- model.matrix(as.formula(ours), rows)
  list(ours = ours, ordered = "poly", names = I(colnames(found)), values = I(as.vector(found)))
}

kinds <- list(Sum = "contr.sum", Helmert = "contr.helmert", Poly = "contr.poly", Diff = contr.sdif, Treatment = "contr.treatment")
coded <- list()
for (kind in names(kinds)) {
  for (pattern in c("y ~ %s", "y ~ x * %s", "y ~ h / %s", "y ~ 0 + h + %s", "y ~ %s:h + x", "y ~ 0 + %s * x")) {
    for (name in if (pattern == "y ~ %s") c("f", "k", "o") else "f") {
      how <- setNames(list(kinds[[kind]]), name)
      coded <- c(coded, list(entry(sprintf(pattern, sprintf("C(%s, %s)", name, kind)), sprintf(pattern, name), how)))
    }
  }
}
base <- function(name, level) setNames(list(contr.treatment(levels(rows[[name]]), base = match(level, levels(rows[[name]])))), name)
coded <- c(coded, list(
  entry('y ~ C(f, Treatment("mid"))', "y ~ f", base("f", "mid")),
  entry('y ~ C(f, Treatment(reference="high")) * h', "y ~ f * h", base("f", "high")),
  entry('y ~ C(k, Treatment(1)) + x', "y ~ k + x", base("k", "1")),
  entry('y ~ C(factor(age), Sum)', "y ~ factor(age)", list(`factor(age)` = "contr.sum")),
  entry('y ~ C(f, Sum) * C(h, Helmert)', "y ~ f * h", list(f = "contr.sum", h = "contr.helmert")),
  entry('y ~ C(f, contr.sum)', "y ~ C(f, contr.sum)")))

plain <- lapply(c(
  "y ~ poly(x, 2)", "y ~ poly(x, 3) * f", "y ~ poly(x, 1)", "y ~ poly(age, 3)", "y ~ poly(x, 2, raw = TRUE):h", "y ~ poly(x, degree = 4)",
  "y ~ bs(x, df = 5)", "y ~ bs(x, df = 5) * h", "y ~ bs(x)", "y ~ bs(z, knots = c(2, 3))", "y ~ bs(x, df = 4, degree = 2)",
  "y ~ bs(z, df = 6, intercept = TRUE) - 1", "y ~ bs(z, knots = 2.5, Boundary.knots = c(0, 5))", "y ~ bs(x, df = 3, degree = 1)",
  "y ~ ns(x, df = 3)", "y ~ f / ns(x, df = 2)", "y ~ ns(x)", "y ~ ns(z, knots = c(2, 3))", "y ~ ns(z, df = 4, intercept = TRUE)",
  "y ~ ns(z, 3, Boundary.knots = c(1.5, 3.5))", "y ~ scale(x)", "y ~ scale(x, scale = FALSE) * f", "y ~ scale(x, center = FALSE)",
  "y ~ scale(x, 3, 2)", "y ~ poly(log(z), 2)", "y ~ x^2", "y ~ (x + f + h)^2", "y ~ (x + f + h)^3 - x:f:h", "y ~ f %in% h", "y ~ h + f %in% h",
  "y ~ x * f %in% h", "y ~ (f + x) / h", "y ~ h / f / x", "y ~ b * o", "y ~ 0 + b:x + f", "y ~ f:h - 1", "y ~ I(x^2.0) + I(x * 100000)",
  "y ~ (x - 1) * f", "y ~ 1 * f + x", "y ~ f - (x + 1)", "y ~ x + I(x > 3):f", "y ~ C(h):x"), entry)
ordered <- lapply(c("y ~ o", "y ~ o * x", "y ~ 0 + o + h", "y ~ h / o", "y ~ o:f", "y ~ C(o)"), poly_entry)

predictions <- lapply(c(
  "y ~ poly(x, 3) + f", "y ~ poly(x, 2, raw = TRUE) * h", "y ~ bs(z, df = 5)", "y ~ bs(x, df = 4, degree = 2) + h", "y ~ ns(x, df = 3)",
  "y ~ ns(z, knots = c(2, 3)) * h", "y ~ scale(x) * f", "y ~ scale(z, center = FALSE) + poly(age, 2)", "y ~ ns(x, df = 3, Boundary.knots = c(0, 5))",
  "y ~ factor(h) + scale(log(z))"), function(text) {
  fit <- lm(as.formula(text), rows)
  list(ours = text, estimate = I(unname(coef(fit))), prediction = I(unname(suppressWarnings(predict(fit, new)))))
})

columns <- function(frame) lapply(frame, function(v) I(if (is.factor(v)) as.character(v) else v))
write_json(list(versions = versions(c("splines", "MASS")), rows = columns(rows), levels = lapply(Filter(is.factor, rows), function(v) I(levels(v))),
                new = columns(new), matrices = c(coded, plain, ordered), predictions = predictions), file.path(here, "formulas.json"))
