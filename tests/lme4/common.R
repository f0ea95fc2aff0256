# What the comparison scripts share: reading rows, timing, catching failures, writing JSON.

options(useFancyQuotes = FALSE, contrasts = c("contr.treatment", "contr.poly"))

# Text becomes an unordered factor with levels in plain byte order, so that the reference level is the
# alphabetically first one: the coding Python's formula libraries use.
read_rows <- function(path) {
  rows <- read.csv(path, stringsAsFactors = FALSE, na.strings = c("", "NA"), check.names = FALSE)
  is_text <- vapply(rows, is.character, NA)
  rows[is_text] <- lapply(rows[is_text], function(v) factor(v, levels = sort(unique(v), method = "radix")))
  rows
}

# Stacked datasets: columns dataset, Group, DV, IV1.. IVk.
read_stacked <- function(path) {
  rows <- read_rows(path)
  rows$Group <- factor(rows$Group)
  lacking <- setdiff(c("dataset", "Group", "DV"), names(rows))
  if (length(lacking)) stop("the input lacks the column(s) ", paste(lacking, collapse = ", "))
  rows
}

predictors <- function(rows) setdiff(names(rows), c("dataset", "Group", "DV"))

argument <- function(position, otherwise) {
  given <- commandArgs(trailingOnly = TRUE)
  if (length(given) >= position && nzchar(given[position])) given[position] else otherwise
}

cpu_seconds <- function() sum(proc.time()[1:2])   # user + system: waiting for a core does not count

# Calls analyse(rows) for every dataset. A failure becomes an `error` field, warnings and messages are kept.
for_each_dataset <- function(rows, analyse) {
  keys <- unique(as.character(rows$dataset))
  parts <- split(rows, factor(rows$dataset, levels = keys))
  lapply(keys, function(key) {
    heard <- character()
    hear <- function(condition) heard <<- c(heard, trimws(conditionMessage(condition)))
    result <- tryCatch(
      withCallingHandlers(
        analyse(droplevels(parts[[key]])),
        warning = function(w) { hear(w); invokeRestart("muffleWarning") },
        message = function(m) { hear(m); invokeRestart("muffleMessage") }),
      error = function(e) list(error = conditionMessage(e)))
    c(list(dataset = key), result, list(messages = I(unique(heard))))
  })
}

versions <- function(packages) {
  c(list(R = paste(R.version$major, R.version$minor, sep = ".")),
    sapply(packages, function(p) format(packageVersion(p)), simplify = FALSE))
}

# A JSON writer, because the usual packages stop at 15 digits and a double needs up to 17.
# Named list -> object; unnamed list -> array; matrix -> array of rows; length-one vector -> scalar,
# unless wrapped in I(); NA, NaN and infinities -> null.
to_json <- function(x, indent = "") {
  inner <- paste0(indent, "  ")
  wrap <- function(items, open, close) {
    if (!length(items)) return(paste0(open, close))
    paste0(open, "\n", inner, paste(items, collapse = paste0(",\n", inner)), "\n", indent, close)
  }
  if (is.null(x)) return("null")
  if (is.list(x)) {
    items <- vapply(x, to_json, "", indent = inner)
    if (!length(items)) return(if (is.null(names(x))) "[]" else "{}")
    if (is.null(names(x))) return(wrap(unname(items), "[", "]"))
    return(wrap(paste0(encodeString(names(x), quote = '"'), ": ", items), "{", "}"))
  }
  if (is.matrix(x)) {
    rows <- vapply(seq_len(nrow(x)), function(i) to_json(I(unname(x[i, ]))), "")
    return(paste0("[", paste(rows, collapse = ", "), "]"))
  }
  items <- if (is.numeric(x)) shortest_digits(x)
           else if (is.logical(x)) ifelse(is.na(x), "null", tolower(as.character(x)))
           else ifelse(is.na(x), "null", encodeString(as.character(x), quote = '"'))
  if (length(x) == 1 && !inherits(x, "AsIs")) items else paste0("[", paste(items, collapse = ", "), "]")
}

# The fewest of 15, 16, 17 significant digits that read back as the same double.
shortest_digits <- function(x) {
  x <- as.double(x)
  text <- sprintf("%.15g", x)
  for (format in c("%.16g", "%.17g")) {
    lossy <- is.finite(x) & as.double(text) != x
    text[lossy] <- sprintf(format, x[lossy])
  }
  text[!is.finite(x)] <- "null"
  text
}

write_json <- function(x, path) writeLines(to_json(x), path, useBytes = TRUE)
