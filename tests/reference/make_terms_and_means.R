# What lmerTest, pbkrtest, emmeans, performance and clubSandwich say of fits of well-known data: writes terms_and_means.json.
#
#   Rscript make_terms_and_means.R
#
# The mixed models are at lme4's tight optimum (fit_lmm in ../lme4/fit_lme4.R); emmeans and lmerTest as they come.

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
source(file.path(here, "..", "lme4", "fit_lme4.R"))
suppressMessages({ library(emmeans); library(performance); library(clubSandwich) })

rows_of <- function(name) read_rows(file.path(here, "data", paste0(name, ".csv")))
METHODS <- c(satterthwaite = "Satterthwaite", "kenward-roger" = "Kenward-Roger")
columns <- function(frame) lapply(as.list(frame), I)

tests <- function(fit, ddf, type) {
  table <- anova(fit, type = type, ddf = ddf)
  columns(data.frame(term = rownames(table), sum_sq = table[["Sum Sq"]], mean_sq = table[["Mean Sq"]], num_df = table$NumDF,
                     den_df = table$DenDF, f = table[["F value"]], p_value = table[["Pr(>F)"]]))
}

means <- function(grid, ...) {
  table <- as.data.frame(summary(grid, infer = c(TRUE, TRUE), ...))
  names(table) <- sub("^(emmean|[^.]+[.]trend)$", "mean", names(table))
  columns(data.frame(mean = table$mean, std_error = table$SE, df = table$df, conf_low = table$lower.CL, conf_high = table$upper.CL))
}

differences <- function(contrasts, ...) {
  table <- as.data.frame(summary(contrasts, infer = c(TRUE, TRUE), ...))
  columns(data.frame(contrast = as.character(table$contrast), estimate = table$estimate, std_error = table$SE, df = table$df,
                     statistic = table$t.ratio, p_value = table$p.value, conf_low = table$lower.CL, conf_high = table$upper.CL))
}

one_joint <- function(fit, rows, ddf) {
  table <- contest(fit, rows, ddf = ddf)
  list(num_df = table$NumDF, den_df = table$DenDF, f = table[["F value"]], p_value = table[["Pr(>F)"]])
}

# name = list(data, formula, group, questions): questions are functions of fit, data and the name of the method.
examples <- list(
  sleepstudy = list("sleepstudy", Reaction ~ Days + I(Days^2) + (Days || Subject), "Subject", list(
    joint = function(fit, rows, ddf) one_joint(fit, diag(3)[2:3, ], METHODS[[ddf]]),
    week = function(fit, rows, ddf) one_joint(fit, rbind(c(0, 1, 14)), METHODS[[ddf]]),
    days = function(fit, rows, ddf) means(emmeans(fit, "Days", at = list(Days = c(0, 4, 9)), data = rows)),
    consecutive = function(fit, rows, ddf)
      differences(contrast(emmeans(fit, "Days", at = list(Days = c(0, 4, 9)), data = rows), "consec"), adjust = "sidak"))),
  cake = list("cake", angle ~ recipe * temp + (1 | unit), "unit", list(
    recipe = function(fit, rows, ddf) means(emmeans(fit, "recipe", data = rows)),
    pairs = function(fit, rows, ddf) differences(pairs(emmeans(fit, "recipe", data = rows))),
    by = function(fit, rows, ddf)
      means(emmeans(fit, "recipe", by = "temp", at = list(temp = c(175, 225)), data = rows), adjust = "bonferroni"),
    scheffe = function(fit, rows, ddf)
      differences(pairs(emmeans(fit, c("recipe", "temp"), at = list(temp = c(175, 225)), data = rows)), adjust = "scheffe"),
    trends = function(fit, rows, ddf) means(emtrends(fit, "recipe", var = "temp", data = rows)))),
  orthodont = list("orthodont", distance ~ age * Sex + (age | Subject), "Subject", list(
    sex = function(fit, rows, ddf) means(emmeans(fit, "Sex", data = rows)),
    pairs = function(fit, rows, ddf) differences(pairs(emmeans(fit, "Sex", by = "age", at = list(age = c(8, 14)), data = rows))),
    holm = function(fit, rows, ddf)
      differences(pairs(emmeans(fit, c("Sex", "age"), at = list(age = c(8, 14)), data = rows)), adjust = "holm"),
    trends = function(fit, rows, ddf) means(emtrends(fit, "Sex", var = "age", data = rows)))),
  machines = list("machines", score ~ Machine + (Machine | Worker), "Worker", list(
    machine = function(fit, rows, ddf) means(emmeans(fit, "Machine", data = rows)),
    pairs = function(fit, rows, ddf) differences(pairs(emmeans(fit, "Machine", data = rows))),
    reference = function(fit, rows, ddf)
      differences(contrast(emmeans(fit, "Machine", data = rows), "trt.vs.ctrl"), adjust = "bonferroni"),
    poly = function(fit, rows, ddf) differences(contrast(emmeans(fit, "Machine", data = rows), "poly")),
    own = function(fit, rows, ddf)
      differences(contrast(emmeans(fit, "Machine", data = rows), list("A against others" = c(1, -.5, -.5)))))),
  chickweight = list("chickweight", weight ~ Time * Diet + (Time | Chick), "Chick", list(
    diet = function(fit, rows, ddf) means(emmeans(fit, "Diet", data = rows), adjust = "sidak"),
    pairs = function(fit, rows, ddf) differences(pairs(emmeans(fit, "Diet", at = list(Time = 21), data = rows))),
    fdr = function(fit, rows, ddf) differences(pairs(emmeans(fit, "Diet", data = rows)), adjust = "fdr"))))

answers <- lapply(examples, function(example) {
  rows <- rows_of(example[[1]])
  rows[[example[[3]]]] <- factor(rows[[example[[3]]]])
  fit <- lmerTest::as_lmerModLmerTest(fit_lmm(example[[2]], rows, TRUE, "best"))
  by_method <- function(ddf) {
    emm_options(lmer.df = ddf)
    c(list(anova = lapply(setNames(1:3, 1:3), function(type) tests(fit, METHODS[[ddf]], type))),
      lapply(example[[4]], function(question) question(fit, rows, ddf)))
  }
  r2 <- r2_nakagawa(fit)
  c(list(data = example[[1]], formula = paste(deparse(example[[2]], width.cutoff = 500L), collapse = " "),
         r2 = list(marginal = unname(r2$R2_marginal), conditional = unname(r2$R2_conditional)), icc = icc(fit)$ICC_adjusted),
    lapply(setNames(names(METHODS), names(METHODS)), by_method))
})

sleepstudy <- rows_of("sleepstudy")
ml <- function(formula) lme4::lmer(formula, sleepstudy, REML = FALSE, control = OPTIMISERS[[2]])
ladder <- anova(ml(Reaction ~ Days + (1 | Subject)), ml(Reaction ~ Days + (Days | Subject)), lm(Reaction ~ Days, sleepstudy))
slope <- anova(ml(Reaction ~ 1 + (Days | Subject)), ml(Reaction ~ Days + (Days | Subject)))
comparison <- function(table) columns(data.frame(n_parameters = table$npar, aic = table$AIC, bic = table$BIC, loglik = table$logLik,
                                                 deviance = table$deviance, chisq = table$Chisq, df = table$Df,
                                                 naive = table[["Pr(>Chisq)"]]))

cake <- rows_of("cake")
pooled <- lm(angle ~ recipe * temp, cake)
f_test <- anova(lm(angle ~ 1, cake), lm(angle ~ recipe + temp, cake), pooled)
hotelling <- function(type) {
  found <- Wald_test(pooled, vcov = vcovCR(pooled, cluster = cake$unit, type = type), constraints = constrain_zero(5:6), test = "HTZ")
  list(f = found$Fstat, num_df = found$df_num, den_df = found$df_denom, p_value = found$p_val)
}
least_squares <- list(
  f = columns(data.frame(f = f_test$F, num_df = f_test$Df, p_value = f_test[["Pr(>F)"]])),
  anova = { table <- anova(pooled); columns(data.frame(f = table$F[1:3], num_df = table$Df[1:3], p_value = table[["Pr(>F)"]][1:3])) },
  means = means(emmeans(pooled, "recipe")), r2 = summary(pooled)$r.squared, adjusted = summary(pooled)$adj.r.squared,
  htz = lapply(setNames(c("CR2", "CR3"), c("CR2", "CR3")), hotelling))

write_json(list(
  versions = versions(c("lme4", "lmerTest", "pbkrtest", "emmeans", "performance", "clubSandwich")),
  examples = answers, ladder = comparison(ladder), slope = comparison(slope), least_squares = least_squares),
  file.path(here, "terms_and_means.json"))
