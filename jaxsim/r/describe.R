# Reads everything off a mixed model of lmerTest at full precision: pymer4 keeps less, and prints it rounded.

options(contrasts = c("contr.treatment", "contr.poly"), na.action = "na.omit", useFancyQuotes = FALSE)

# The restricted likelihood's criterion, or minus twice the log-likelihood.
criterion <- function(fit) -2 * as.numeric(logLik(fit))

# Fixed effects with t tests. Kenward-Roger has a covariance of its own (pbkrtest).
inference <- function(fit, df) {
  fixed <- lme4::fixef(fit)
  plain <- as.matrix(vcov(fit))
  if (!length(fixed)) return(list(estimate = numeric(), std_error = numeric(), df = numeric(), vcov = plain))
  if (df == "kenward-roger") {
    adjusted <- pbkrtest::vcovAdj(fit)
    unit <- diag(length(fixed))
    ddf <- vapply(seq_along(fixed), function(i) pbkrtest::Lb_ddf(unit[i, ], vcov(fit), adjusted), 0)
    return(list(estimate = fixed, std_error = sqrt(diag(as.matrix(adjusted))), df = ddf, vcov = as.matrix(adjusted)))
  }
  table <- coef(summary(fit, ddf = "Satterthwaite"))
  list(estimate = table[, "Estimate"], std_error = table[, "Std. Error"], df = table[, "df"], vcov = plain)
}

without_inference <- function(fit, why) {
  nothing <- rep(NaN, length(lme4::fixef(fit)))
  list(estimate = lme4::fixef(fit), std_error = sqrt(diag(as.matrix(vcov(fit)))), df = nothing,
       vcov = as.matrix(vcov(fit)), error = conditionMessage(why))
}

# Covariance of the modes given the data and the parameters, sigma^2 Lambda (Lambda'Z'Z Lambda + I)^-1 Lambda' (Bates et al.
# 2015, eq. 58), with the blocks between several terms of one factor, which ranef() leaves out.
conditional_covariance <- function(fit) {
  Lt <- lme4::getME(fit, "Lambdat")
  sigma(fit)^2 * Matrix::crossprod(Lt, Matrix::solve(lme4::getME(fit, "L"), Lt, system = "A"))
}

# One entry per grouping factor: all of its terms together, groups in the order of the factor's levels.
random_effects <- function(fit) {
  factors <- lme4::getME(fit, "flist")
  columns <- lme4::getME(fit, "cnms")
  first <- lme4::getME(fit, "Gp")
  modes <- as.numeric(lme4::getME(fit, "b"))
  conditional <- conditional_covariance(fit)
  blocks <- lme4::VarCorr(fit)
  lapply(seq_along(factors), function(k) {
    terms <- which(attr(factors, "assign") == k)
    n <- nlevels(factors[[k]])
    at <- do.call(cbind, lapply(terms, function(i) {
      q <- length(columns[[i]])
      first[i] + outer((seq_len(n) - 1) * q, seq_len(q), "+")
    }))
    q <- ncol(at)
    pairs <- cbind(as.vector(at[, rep(seq_len(q), q)]), as.vector(at[, rep(seq_len(q), each = q)]))
    list(group = names(factors)[k], labels = levels(factors[[k]]), terms = unlist(columns[terms], use.names = FALSE),
         covariance = as.matrix(Matrix::bdiag(lapply(blocks[terms], function(block) matrix(block, nrow(block))))),
         modes = matrix(modes[at], n, q), conditional = as.numeric(conditional[pairs]))
  })
}

# Whether the fixed effects reproduce the response up to rounding: no variance can then be told from rounding.
reproduced <- function(fit) {
  y <- lme4::getME(fit, "y")
  sqrt(sum(qr.resid(qr(lme4::getME(fit, "X")), y)^2)) <= 1e-13 * sqrt(sum(y^2))
}

describe <- function(fit, df) {
  conv <- fit@optinfo$conv
  found <- tryCatch(inference(fit, df), error = function(why) without_inference(fit, why))
  c(found, list(
    terms = as.character(names(lme4::fixef(fit))), criterion = criterion(fit), sigma = sigma(fit),
    theta = as.numeric(lme4::getME(fit, "theta")), theta_names = names(lme4::getME(fit, "theta")),
    random = random_effects(fit), n_rows = nobs(fit), singular = lme4::isSingular(fit),
    dropped = names(attr(lme4::getME(fit, "X"), "col.dropped")), exact = reproduced(fit),
    optimiser_code = as.integer(c(conv$opt, 0)[1]), feval = as.numeric(c(fit@optinfo$feval, NA)[1]),
    messages = as.character(unlist(c(conv$lme4$messages, fit@optinfo$warnings)))))
}
