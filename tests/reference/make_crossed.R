# Mixed models with several grouping factors, to data/penicillin.csv, data/pastes.csv, data/crossed.csv and crossed.json:
#   Rscript make_crossed.R
#
# Fits at lme4's tight optimum from several starts (fit_lmm in ../lme4/fit_lme4.R), df by lmerTest and pbkrtest, conditional modes
# and their standard deviations, predictions of rows of known and unknown levels. crossed.csv has made-up datasets one above the
# other; crossed_optima.csv is a random question of ../lme4/crossed_designs.py.

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
source(file.path(here, "..", "lme4", "fit_lme4.R"))
data_folder <- file.path(here, "data")

save_rows <- function(rows, name) {
  rows <- as.data.frame(lapply(rows, function(v) if (is.factor(v)) as.character(v) else v))
  write.csv(rows, file.path(data_folder, paste0(name, ".csv")), row.names = FALSE, quote = FALSE, na = "")
}
save_rows(Penicillin, "penicillin")
save_rows(Pastes, "pastes")

RNGversion("4.2.0")
set.seed(16)
# Subjects x items with a slope of x on either side; f differs between items; sds of intercepts and slopes of both.
crossed <- function(name, subjects, items, sds, labs = 0, kept = 1) {
  rows <- expand.grid(subject = seq_len(subjects), item = seq_len(items))
  rows <- rows[sort(sample(nrow(rows), round(kept * nrow(rows)))), ]
  n <- nrow(rows)
  rows$lab <- if (labs) sample(rep_len(seq_len(labs), n)) else 1L
  rows$x <- round(rnorm(n), 3)
  rows$f <- ifelse(rows$item %% 2 == 0, "even", "odd")
  effects <- function(sd, count, at) rnorm(count, 0, sd)[at]
  rows$y <- 2 + 0.4 * rows$x + 0.3 * (rows$f == "odd") + effects(sds[1], subjects, rows$subject) +
    effects(sds[2], subjects, rows$subject) * rows$x + effects(sds[3], items, rows$item) +
    effects(sds[4], items, rows$item) * rows$x + effects(0.7, max(labs, 1), rows$lab) * (labs > 0) + rnorm(n)
  rows$y <- round(rows$y, 4)
  rows$w <- round(runif(n, 0.3, 3), 2)
  cbind(set = name, rows)
}
made <- rbind(
  crossed("slopes", 20, 12, c(1, 0.5, 0.7, 0.4)),
  crossed("half", 20, 12, c(1, 0.5, 0.7, 0), kept = 0.5),
  crossed("tiny", 12, 8, c(1, 0.4, 0.6, 0)),
  crossed("labs", 16, 10, c(1, 0.6, 0.6, 0), labs = 5),
  crossed("flat", 15, 8, c(1, 0, 0, 0)),
  crossed("far", 16, 10, c(8, 8, 8, 8)))
save_rows(made, "crossed")

rows_of <- function(data) {
  if (data %in% made$set) {
    rows <- read_rows(file.path(data_folder, "crossed.csv"))
    rows <- droplevels(rows[rows$set == data, ])
    for (name in c("subject", "item", "lab")) rows[[name]] <- factor(rows[[name]])
    return(rows)
  }
  rows <- read_rows(file.path(data_folder, paste0(data, ".csv")))
  if (data == "cake") { rows$replicate <- factor(as.integer(sub(".*:", "", rows$unit))) }
  rows
}

both <- c("reml", "ml")
entries <- list(
  penicillin = list("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", both),
  pastes_nested = list("pastes", "strength ~ 1 + (1 | batch/cask)", both),
  pastes_sample = list("pastes", "strength ~ 1 + (1 | batch) + (1 | sample)", "reml"),
  cake = list("cake", "angle ~ recipe * temp + (1 | replicate) + (1 | recipe:replicate)", both),
  machines = list("machines", "score ~ Machine + (1 | Worker/Machine)", both),
  slopes = list("slopes", "y ~ x + f + (x | subject) + (x | item)", both),
  slopes_weighted = list("slopes", "y ~ x + f + (x | subject) + (1 | item)", "reml", "w"),
  slopes_diagonal = list("slopes", "y ~ x + f + (x || subject) + (x || item)", "reml"),
  slopes_apart = list("slopes", "y ~ x + (1 | item) + (1 | subject) + (0 + x | subject)", "reml"),
  slopes_factor = list("slopes", "y ~ x * f + (f | subject) + (1 | item)", "reml"),
  half = list("half", "y ~ x + f + (x | subject) + (1 | item)", both),
  tiny = list("tiny", "y ~ x + f + (x | subject) + (1 | item)", both),
  labs = list("labs", "y ~ x + (x || subject) + (1 | item) + (1 | lab)", both),
  labs_nested = list("labs", "y ~ x + (1 | subject) + (1 | item) + (1 | lab:item)", "reml"),
  flat = list("flat", "y ~ x + (1 | subject) + (1 | item)", both),
  far = list("far", "y ~ x + f + (x | subject) + (x | item)", both),
  # x is far from zero and its slopes are independent of the intercepts: another optimum is 17 units higher.
  optima = list("crossed_optima", "y ~ f + (x || s) + (1 | i)", "reml"))

tables_of <- function(fit, ddf) {
  table <- coef(summary(fit, ddf = ddf))
  tests <- anova(fit, type = 3, ddf = ddf)
  list(se = I(unname(table[, "Std. Error"])), df = I(unname(table[, "df"])), p = I(unname(table[, "Pr(>|t|)"])),
       anova = list(term = I(rownames(tests)), num_df = I(tests$NumDF), den_df = I(tests$DenDF), f = I(tests[["F value"]])))
}

# Every factor's levels with modes and conditional standard deviations; columns of all terms side by side.
modes_of <- function(fit) {
  modes <- ranef(fit, condVar = TRUE)
  lapply(setNames(names(modes), names(modes)), function(name) {
    given <- attr(modes[[name]], "postVar")
    given <- if (is.list(given)) given else list(given)
    deviations <- do.call(cbind, lapply(given, function(v) t(apply(v, 3, function(one) sqrt(diag(as.matrix(one)))))))
    if (length(given) == 1 && dim(given[[1]])[1] == 1) deviations <- matrix(sqrt(given[[1]][1, 1, ]))
    list(levels = I(rownames(modes[[name]])), names = I(names(modes[[name]])), modes = unname(as.matrix(modes[[name]])),
         deviations = unname(matrix(as.numeric(as.matrix(deviations)), nrow(modes[[name]]))))
  })
}

# The first rows, then the same with a level that no row has: of the first factor, of the last, of all.
predictions_of <- function(fit, rows) {
  names <- unique(unlist(strsplit(names(getME(fit, "flist")), ":", fixed = TRUE)))
  names <- setdiff(names, all.vars(nobars(formula(fit))))
  first <- head(rows, 4)
  unknown <- function(which) {
    for (name in which) first[[name]] <- factor("none of them")
    first
  }
  given <- list(known = first, first = unknown(names[1]), last = unknown(names[length(names)]), all = unknown(names))
  lapply(given, function(new) I(unname(predict(fit, new, allow.new.levels = TRUE))))
}

describe <- function(entry, kind) {
  rows <- rows_of(entry[[1]])
  formula <- as.formula(entry[[2]])
  weights <- if (length(entry) > 3) rows[[entry[[4]]]]
  fit <- fit_lmm(formula, rows, kind == "reml", "best", weights)
  tested <- lmerTest::as_lmerModLmerTest(fit)
  table <- coef(summary(tested))
  components <- as.data.frame(VarCorr(fit), order = "lower.tri")
  found <- list(
    data = entry[[1]], formula = entry[[2]], reml = kind == "reml", weights = if (length(entry) > 3) entry[[4]] else "",
    criterion = criterion(fit), sigma = sigma(fit), singular = isSingular(fit),
    theta = I(unname(getME(fit, "theta"))), theta_names = I(names(getME(fit, "theta"))),
    groups = as.list(ngrps(fit)), names = I(rownames(table)), estimate = I(unname(table[, "Estimate"])),
    vcov = unname(as.matrix(vcov(fit))), components = I(components$sdcor), component_groups = I(components$grp),
    modes = modes_of(fit), predictions = predictions_of(fit, rows), fitted = I(unname(head(fitted(fit), 5))),
    aic = AIC(fit), bic = BIC(fit), satterthwaite = tables_of(tested, "Satterthwaite"))
  # pbkrtest leaves weights out of the residual covariance.
  if (kind == "reml" && length(entry) < 4) found$kenward_roger <- tables_of(tested, "Kenward-Roger")
  found
}

fits <- list()
for (name in names(entries)) for (kind in entries[[name]][[3]]) {
  cat(name, kind, "\n")
  fits[[paste(name, kind, sep = "_")]] <- describe(entries[[name]], kind)
}
write_json(list(versions = versions(c("lme4", "lmerTest", "pbkrtest")), fits = fits), file.path(here, "crossed.json"))
