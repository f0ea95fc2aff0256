# Calls an R function that a user wrote with one dataset, and brings what it returns into one shape.

# Pictures go nowhere: R would write Rplots.pdf into the user's folder.
options(device = function(...) grDevices::pdf(NULL))

NUMBERS <- c("std_error", "statistic", "df", "p_value", "conf_low", "conf_high")
EXTRAS <- c("table", "status", "message", "sigma", "criterion", "converged", "singular")

refuse <- function(...) stop(..., call. = FALSE)
listed <- function(names) paste0("'", names, "'", collapse = ", ")
returned <- function(...) refuse("the R function returned ", ..., ". It must return a data.frame with the columns 'term', 'estimate' ",
  "and any of ", listed(NUMBERS), ", or a named numeric vector of estimates, or a list with one of these as 'table' and any of ",
  listed(setdiff(EXTRAS, "table")))

# The function that some code gives: its last value.
define <- function(text) {
  expressions <- tryCatch(parse(text = text, keep.source = FALSE), error = function(why) {
    first <- strsplit(conditionMessage(why), "\n")[[1]][1]
    refuse("the R code cannot be parsed: ", sub("^<text>:([0-9]+):([0-9]+):", "line \\1, column \\2:", first))
  })
  home <- new.env(parent = globalenv())
  value <- NULL
  for (expression in expressions) value <- eval(expression, home)
  if (!is.function(value)) {
    refuse("the R code gives a value of class '", class(value)[1], "'; it must give a function: function(data) { ... }")
  }
  arguments <- formals(args(value))
  needed <- vapply(arguments, is.symbol, NA) & !nzchar(as.character(arguments)) & names(arguments) != "..."
  if (!length(arguments) || sum(needed) > 1) {
    refuse("the R function must take one argument, the data frame; it takes ",
      if (length(arguments)) listed(names(arguments)[needed]) else "none")
  }
  value
}

run <- function(f, data) {
  before <- options()
  on.exit(options(before))
  shaped(suppressMessages(suppressWarnings(f(data))))
}

# A list with 'table' (NULL if there is none) and those of EXTRAS that the function gave.
shaped <- function(value) {
  if (!is.list(value) || is.data.frame(value)) return(list(table = table_of(value)))
  if (is.object(value)) returned("an object of class '", class(value)[1], "'")
  unknown <- if (is.null(names(value))) "" else setdiff(names(value), EXTRAS)
  if (length(unknown)) returned("a list with the entry ", listed(unknown))
  list(table = if (!is.null(value$table)) table_of(value$table),
       status = one(value$status, "status", is.character, "text"),
       message = one(value$message, "message", is.character, "text"),
       sigma = one(value$sigma, "sigma", is.number, "a number"),
       criterion = one(value$criterion, "criterion", is.number, "a number"),
       converged = one(value$converged, "converged", is.logical, "TRUE or FALSE"),
       singular = one(value$singular, "singular", is.logical, "TRUE or FALSE"))
}

table_of <- function(value) {
  if (is.numeric(value) && is.null(dim(value)) && !is.null(names(value))) {
    value <- data.frame(term = names(value), estimate = as.numeric(value))
  }
  if (!is.data.frame(value)) returned("a value of class '", class(value)[1], "'", if (is.numeric(value)) " without names")
  lacking <- setdiff(c("term", "estimate"), names(value))
  if (length(lacking)) returned("a table without the column ", listed(lacking))
  unknown <- setdiff(names(value), c("term", "estimate", NUMBERS))
  if (length(unknown)) returned("a table with the column ", listed(unknown))
  if (anyDuplicated(names(value))) returned("a table with two columns ", listed(names(value)[anyDuplicated(names(value))]))
  if (!is.character(value$term) && !is.factor(value$term)) returned("a column 'term' that is no text")
  term <- as.character(value$term)
  if (!length(term)) returned("a table without rows")
  if (anyNA(term) || !all(nzchar(term))) returned("an estimate without a name")
  if (anyDuplicated(term)) returned("the term ", listed(term[anyDuplicated(term)]), " twice")
  c(list(term = term), lapply(stats::setNames(nm = setdiff(names(value), "term")), function(name) {
    if (!is.number(value[[name]]) || !is.null(dim(value[[name]]))) returned("a column '", name, "' that holds no numbers")
    as.numeric(value[[name]])
  }))
}

# NA alone is a logical to R.
is.number <- function(x) is.numeric(x) || (is.logical(x) && all(is.na(x)))

one <- function(value, name, right, what) {
  if (is.null(value)) return(NULL)
  if (!right(value) || length(value) != 1 || (is.na(value) && what != "a number")) returned("a '", name, "' that is not ", what)
  if (is.logical(value) && what == "a number") NA_real_ else value
}
