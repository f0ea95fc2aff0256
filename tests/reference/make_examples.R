# The examples in the help pages and vignettes of lmerTest, emmeans, pbkrtest, lme4 and nlme (and in nlme's scripts of Pinheiro &
# Bates), run as they stand there: writes examples.json.
#
#   Rscript make_examples.R
#
# Each example is a model with the answers that the page prints, all digits of them. Optimisers stop where they stop by default. Where
# a page adjusts consecutive differences by simulation ("mvt", emmeans' default for them) they are stored without an adjustment.

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
source(file.path(here, "..", "lme4", "common.R"))
suppressMessages({ library(lme4); library(lmerTest); library(emmeans); library(pbkrtest) })
source(file.path(here, "example_tables.R"))

cake <- transform(lme4::cake, Temp = factor(temperature, ordered = FALSE))
two_temperatures <- droplevels(subset(cake, Temp %in% levels(Temp)[1:2] & !(recipe == "C" & Temp == "185")))
orthodont <- transform(as.data.frame(nlme::Orthodont), Subject = factor(Subject, ordered = FALSE),
                       nsex = as.numeric(Sex == "Male"))
orthodont$nsexage <- orthodont$nsex * orthodont$age
feedlot <- transform(feedlot, adj.ewt = ewt - predict(lm(ewt ~ herd, feedlot)))
chickweight <- transform(as.data.frame(ChickWeight), Diet = factor(paste0("D", Diet)), Chick = factor(Chick, ordered = FALSE))
L <- diag(3)
criterion_of <- function(fit) list(criterion = -2 * as.numeric(logLik(fit)))

mixed_examples <- list(
  # lmerTest: ?anova.lmerModLmerTest, ?contest1D, ?ranova; lme4: ?confint.merMod; pbkrtest: ?KRmodcomp, ?SATmodcomp, ?vcovAdj
  "sleepstudy" = mixed(sleepstudy, Reaction ~ Days + (Days | Subject), function(m, rows) list(
    summary = coefficients_of(m), anova = terms_of(m), anova_kr = terms_of(m, ddf = "Kenward-Roger"),
    contest1D = t_test(contest1D(m, c(0, 1), confint = TRUE)), rhs = t_test(contest1D(m, c(0, 1), confint = TRUE, rhs = 10)),
    ranova = removal(ranova(m)), anova_refit = removal(anova(m, lmer(Reaction ~ Days + (1 | Subject), rows), refit = FALSE)),
    anova_smaller = comparison(anova(m, lmer(Reaction ~ 1 + (Days | Subject), rows))),
    KRmodcomp = modcomp(KRmodcomp(m, lmer(Reaction ~ 1 + (Days | Subject), rows))),
    SATmodcomp = modcomp(SATmodcomp(m, cbind(0, 1))), vcovAdj = list(vcov = unname(as.matrix(vcovAdj(m)))),
    confint = limits(confint(m, method = "Wald")[5:6, ]), ranef = modes(m), varcorr = variances_of(m))),
  # lmerTest: ?summary.lmerModLmerTest; lme4: ?lmer, ?confint.merMod; pbkrtest: ?KRmodcomp
  "sleepstudy independent" = mixed(sleepstudy, Reaction ~ Days + (1 | Subject) + (0 + Days | Subject), function(m, rows) list(
    summary = coefficients_of(m), summary_kr = coefficients_of(m, ddf = "Kenward-Roger"), varcorr = variances_of(m),
    anova_fm1 = comparison(anova(m, lmer(Reaction ~ Days + (Days | Subject), rows))),
    KRmodcomp = modcomp(KRmodcomp(m, lmer(Reaction ~ 1 + (1 | Subject) + (0 + Days | Subject), rows))),
    profile = limits(confint(m, quiet = TRUE)[c(4, 5, 1, 2, 3), ]))),
  # lmerTest: ?contest.lmerModLmerTest, ?contestMD
  "sleepstudy quadratic" = mixed(
    sleepstudy, Reaction ~ Days + I(Days^2) + (1 | Subject) + (0 + Days | Subject), function(m, rows) list(
    contest = f_test(contest(m, c(0, 0, 1))), joint = f_test(contest(m, L[2:3, ])),
    single = t_test(contest(m, L[2:3, ], joint = FALSE)), wide = t_test(contest(m, L[2:3, ], joint = FALSE, level = 0.99)),
    rhs = f_test(contestMD(m, L[2:3, ], rhs = c(5, .1))))),
  # lmerTest: ?drop1; pbkrtest: ?SATmodcomp
  "sleepstudy quadratic slopes" = mixed(sleepstudy, Reaction ~ Days + I(Days^2) + (Days | Subject), function(m, rows) list(
    drop1 = terms_in(drop1(m)), SATmodcomp = modcomp(SATmodcomp(m, L[2:3, ])))),
  "sleepstudy poly" = mixed(sleepstudy, Reaction ~ poly(Days, 2) + (Days | Subject), function(m, rows) list(
    drop1 = terms_in(drop1(m)))),
  # lme4: ?sleepstudy
  "sleepstudy deprived" = mixed(subset(sleepstudy, Days >= 2), Reaction ~ Days + (Days | Subject), function(m, rows) list(
    summary = coefficients_of(m), varcorr = variances_of(m), criterion = criterion_of(m))),
  "sleepstudy deprived independent" = mixed(
    subset(sleepstudy, Days >= 2), Reaction ~ Days + (1 | Subject) + (0 + Days | Subject), function(m, rows) list(
    summary = coefficients_of(m), varcorr = variances_of(m), criterion = criterion_of(m))),
  # lmerTest: ?ls_means, ?show_tests.anova
  "cake" = mixed(cake, angle ~ recipe * temp + (1 | recipe:replicate), function(m, rows) list(
    type1 = terms_of(m, type = "1"), type2 = terms_of(m, type = "2"), type3 = terms_of(m, type = "3"),
    ls_means = ls(ls_means(m, which = "recipe")), difflsmeans = ls(ls_means(m, which = "recipe", pairwise = TRUE)))),
  # lmerTest: ?drop1; lme4: ?cake
  "cake additive" = mixed(cake, angle ~ recipe + temp + (1 | recipe:replicate), function(m, rows) list(
    drop1 = terms_in(drop1(m)), drop1_kr = terms_in(drop1(m, ddf = "Kenward-Roger")),
    drop1_chi = likelihood_ratio(drop1(m, ddf = "lme4", test = "Chi")[3, ], c("LRT", "npar", "Pr(Chi)")),
    choose = comparison(anova(lmer(angle ~ recipe + temp + (1 | recipe:replicate), rows, REML = FALSE),
                              lmer(angle ~ recipe + temperature + (1 | recipe:replicate), rows, REML = FALSE),
                              lmer(angle ~ recipe * temperature + (1 | recipe:replicate), rows, REML = FALSE))))),
  # lmerTest: ?as.data.frame.ls_means, ?contest
  "cake Temp" = mixed(cake, angle ~ recipe + Temp + (1 | recipe:replicate), function(m, rows) list(
    recipe = ls(ls_means(m, which = "recipe")), Temp = ls(ls_means(m, which = "Temp")))),
  "cake missing cell" = mixed(two_temperatures, angle ~ recipe * Temp + (1 | recipe:replicate), function(m, rows) list(
    fixef = list(estimate = I(unname(fixef(m)))), contest = t_test(contest(m, diag(6)[-6, -6], joint = FALSE)))),
  # lmerTest: ?ham, ?carrots, ?ranova
  "ham" = mixed(ham, Informed.liking ~ Product * Information + (1 | Consumer), function(m, rows) list(anova = terms_of(m))),
  "carrots" = mixed(carrots, Preference ~ sens2 + Homesize + (1 + sens2 | Consumer), function(m, rows) list(anova = terms_of(m))),
  "tvbo" = mixed(TVbo, Coloursaturation ~ TVset * Picture + (TVset | Assessor), function(m, rows) list(ranova = removal(ranova(m)))),
  # lme4: ?VarCorr, ?lmer
  "orthodont" = mixed(orthodont, distance ~ age + (age | Subject), function(m, rows) list(varcorr = variances_of(m))),
  "orthodont by sex" = mixed(
    orthodont, distance ~ age + (age | Subject) + (0 + nsex | Subject) + (0 + nsexage | Subject), function(m, rows) list(
    estimates = c(criterion_of(m), list(sigma = sigma(m), variance = I(unname(unlist(lapply(VarCorr(m), diag)))))))),
  # pbkrtest: ?KRmodcomp, ?PBmodcomp
  "beets" = mixed(beets, sugpct ~ block + sow + harvest + (1 | block:harvest), reml = FALSE, ask = function(m, rows) list(
    KRmodcomp = modcomp(KRmodcomp(m, update(m, . ~ . - harvest))),
    without_harvest = removal(anova(m, update(m, . ~ . - harvest))), without_sow = removal(anova(m, update(m, . ~ . - sow))))),
  # emmeans: vignettes "sophisticated", "predictions"
  "chickweight" = mixed(chickweight, sqrt(weight) ~ Time * Diet + (1 + Time | Chick), function(m, rows) list(
    emmeans = means_of(emmeans(m, ~ Time | Diet, at = list(Time = c(5, 10, 15, 20)))))),
  "feedlot" = mixed(feedlot, swt ~ adj.ewt + diet + (1 | herd), function(m, rows) list(
    grid = means_of(ref_grid(m, at = list(adj.ewt = 0))))))

linear_examples <- list(
  # emmeans: ?contrast, ?contrast-methods, ?emmeans, ?summary.emmGrid, vignette "confidence-intervals"
  "warpbreaks" = linear(warpbreaks, breaks ~ wool * tension, function(m, rows) {
    emm <- emmeans(m, ~ tension | wool)
    list(tension = means_of(emm), wool = means_of(emmeans(m, ~ wool | tension)), sidak = means_of(emm, adjust = "sidak"),
         flat = means_of(emm, by = NULL, level = 0.90), poly = contrasts_of(contrast(emm, "poly")), pairs = contrasts_of(pairs(emm)),
         simple = contrasts_of(pairs(emm, simple = "wool")), eff = contrasts_of(contrast(emm, "eff")),
         cells = contrasts_of(contrast(emm, "eff", by = NULL)), deleted = contrasts_of(contrast(emm, "del.eff")),
         exclude = contrasts_of(pairs(emm, exclude = 2)), control = contrasts_of(contrast(emm, "trt.vs.ctrl", ref = "M")),
         helmert = contrasts_of(contrast(emm, list("M vs earlier" = c(-1, 1, 0), "H vs earlier" = c(-1, -1, 2)))))
  }),
  # emmeans: vignettes "AQuickStart", "comparisons", "confidence-intervals", "utilities"; ?summary.emmGrid, ?rbind.emmGrid
  "pigs" = linear(pigs, log(conc) ~ source + factor(percent), function(m, rows) {
    source <- emmeans(m, "source"); percent <- emmeans(m, "percent"); consec <- contrast(percent, "consec")
    list(source = means_of(source), percent = means_of(percent), level = means_of(percent, level = 0.90),
         grid = means_of(ref_grid(m)), pairs = contrasts_of(pairs(source)), poly = contrasts_of(contrast(percent, "poly")),
         consec = contrasts_of(consec, adjust = "none"), scheffe = contrasts_of(consec, adjust = "scheffe"),
         sidak = means_of(source, adjust = "tukey"),
         joint = with(test(consec, joint = TRUE), list(num_df = df1, den_df = df2, f = F.ratio, p_value = p.value)),
         own = contrasts_of(contrast(source, list(lambda1 = c(1, 2, 0), lambda2 = c(0, 3, -2))), adjust = "bonferroni"))
  }),
  # emmeans: ?joint_tests, vignettes "comparisons", "confidence-intervals"
  "pigs interaction" = linear(pigs, log(conc) ~ source * factor(percent), function(m, rows) list(
    joint_tests = joint_terms(joint_tests(m)), cells = means_of(emmeans(m, ~ source * percent)),
    source = means_of(emmeans(m, "source")),
    percent = contrasts_of(contrast(ref_grid(m), "consec", simple = "percent"), adjust = "none"))),
  # emmeans: vignette "basics"; ?emtrends
  "pigs numeric" = linear(pigs, log(conc) ~ source + percent, function(m, rows) list(
    grid = means_of(ref_grid(m)), each = means_of(ref_grid(m, cov.keep = "percent")))),
  "pigs factor" = linear(pigs, conc ~ factor(percent), function(m, rows) list(
    poly = contrasts_of(contrast(emmeans(m, "percent"), "poly")))),
  "pigs cubic" = linear(pigs, conc ~ poly(percent, degree = 3), function(m, rows) list(
    trend = means_of(emtrends(m, ~ percent, "percent", at = list(percent = c(9, 13.5, 18)))))),
  "pigs root" = linear(pigs, sqrt(conc) ~ source + factor(percent), function(m, rows) list(source = means_of(emmeans(m, "source")))),
  # emmeans: ?emtrends, ?fiber, vignette "interactions"
  "fiber slopes" = linear(fiber, strength ~ diameter * machine, function(m, rows) {
    slopes <- emtrends(m, "machine", var = "diameter")
    list(emtrends = means_of(slopes), pairs = contrasts_of(pairs(slopes)),
         grid = means_of(ref_grid(m, at = list(diameter = c(15, 25)))))
  }),
  "fiber" = linear(fiber, strength ~ diameter + machine, function(m, rows) list(
    machine = means_of(emmeans(m, "machine")), pairs = contrasts_of(pairs(emmeans(m, "machine"))))),
  # emmeans: ?oranges, ?nutrition, ?auto.noise, vignettes "messy-data", "interactions", "basics"
  "oranges" = linear(oranges, sales1 ~ price1 * day, function(m, rows) list(
    day = means_of(emmeans(m, "day")), free = means_of(emmeans(m, "day", at = list(price1 = 0))))),
  "nutrition" = linear(nutrition, gain ~ (age + group + race)^2, function(m, rows) {
    emm <- emmeans(m, ~ race * group, at = list(age = "3"))
    list(Anova = lm_terms(car::Anova(m)), means = means_of(emmeans(m, ~ group * race)),
         by_group = contrasts_of(pairs(emm, by = "group")), by_race = contrasts_of(pairs(emm, by = "race")))
  }),
  "noise" = linear(auto.noise, noise/10 ~ size * type * side, function(m, rows) list(
    anova = lm_terms(anova(m)), size = means_of(emmeans(m, "size")), pairs = contrasts_of(pairs(emmeans(m, "size"))),
    types = contrasts_of(pairs(emmeans(m, ~ size | type))), poly = contrasts_of(contrast(emmeans(m, ~ size | type), "poly")),
    joint_tests = joint_terms(joint_tests(m)))),
  "mtcars" = linear(mtcars, mpg ~ factor(cyl) + disp + I(disp^2), function(m, rows) list(cyl = means_of(emmeans(m, "cyl")))),
  "mtcars squares" = linear(transform(mtcars, dispsq = disp^2), mpg ~ factor(cyl) + disp + dispsq, function(m, rows) list(
    cyl = means_of(emmeans(m, "cyl")), at = means_of(emmeans(m, "cyl", at = list(dispsq = 230.72^2))))),
  # emmeans: vignettes "xplanations", "FAQs"
  "warpbreaks without a cell" = linear(warpbreaks[1:40, ], breaks ~ wool * tension, function(m, rows) list(
    cells = means_of(emmeans(m, ~ wool * tension)))),
  "pigs aliased" = linear(
    transform(pigs, x = rep(1:3, c(10, 10, 9))), log(conc) ~ x + source + factor(percent), function(m, rows) list(
    consec = contrasts_of(contrast(emmeans(m, "percent"), "consec"), adjust = "none"))),
  # pbkrtest: ?PBmodcomp
  "beets" = linear(beets, sugpct ~ block + sow + harvest, function(m, rows) list(
    without_harvest = smaller(anova(update(m, . ~ . - harvest), m)), without_sow = smaller(anova(update(m, . ~ . - sow), m)))))

# nlme: ?lme, ?anova.lme, ?predict.lme, ?getVarCov, ?logLik.lme, ?lmList, ?coef.lme, ?fitted.lme, and ch01.R of its scripts.
library(nlme, warn.conflicts = FALSE)
new_orthodont <- data.frame(age = c(15, 20, 10, 12, 2, 4), Subject = c("M01", "M01", "F30", "F30", "M04", "M04"))
nlme_examples <- list(
  "orthodont" = by_lme(Orthodont, distance ~ age, ~ age | Subject, function(m, rows) list(
    summary = by_lme_summary(m),
    predict = with(predict(m, new_orthodont, level = 0:1), list(group = I(predict.Subject), population = I(predict.fixed))),
    anova = likelihood_ratio(anova(m, update(m, random = pdDiag(~ age)))[2, ], c("L.Ratio", NA, "p-value"), df = 1),
    ranef = list(modes = sorted(ranef(m))), coef = list(coef = sorted(coef(m))))),
  "orthodont intercepts" = by_lme(Orthodont, distance ~ age + Sex, ~ 1 | Subject, function(m, rows) list(
    summary = by_lme_summary(m), fitted = list(fitted = I(unname(fitted(m)))),
    residuals = list(residuals = I(as.vector(residuals(m)))))),
  "orthodont ML" = by_lme(Orthodont, distance ~ Sex * age, ~ age | Subject, method = "ML", function(m, rows) list(
    summary = by_lme_summary(m))),
  "orthodont females" = by_lme(subset(Orthodont, Sex == "Female"), distance ~ age, ~ age | Subject, function(m, rows) list(
    summary = by_lme_summary(m), getVarCov = list(covariance = unname(unclass(getVarCov(m))[1:2, 1:2])))),
  "machines" = by_lme(Machines, score ~ Machine, ~ 1 | Worker, function(m, rows) list(
    summary = by_lme_summary(m),
    fm3Machine = likelihood_ratio(anova(m, update(m, random = ~ Machine - 1 | Worker))[2, ], c("L.Ratio", NA, "p-value"), df = 5))),
  "machines free" = by_lme(Machines, score ~ Machine, ~ Machine - 1 | Worker, function(m, rows) list(summary = by_lme_summary(m))),
  "ergoStool" = by_lme(ergoStool, effort ~ Type, ~ 1 | Subject, function(m, rows) list(
    summary = by_lme_summary(m),
    anova = with(anova(m)[2, ], list(num_df = numDF, den_df = denDF, f = `F-value`, p_value = `p-value`)),
    intervals = with(intervals(m), list(sd = I(unname(unlist(reStruct$Subject[c(1, 3)]))), sigma = I(unname(sigma[c(1, 3)])))))))
lists <- list("orthodont" = by_list(Orthodont, distance ~ age | Subject, function(m) list(
  coef = list(coef = sorted(coef(m))), fixef = list(estimate = I(unname(fixef(m)))))))

write_json(list(versions = versions(c("lme4", "lmerTest", "pbkrtest", "emmeans", "nlme")), mixed = mixed_examples,
                linear = linear_examples, nlme = nlme_examples, lists = lists), file.path(here, "examples.json"))
