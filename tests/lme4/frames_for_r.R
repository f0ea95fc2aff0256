# Frames that frames_for_r.py has written: `folder` has columns.csv (frame, column, kind, level) and frame_<name>.csv.

# Labels are text in UTF-8, whatever the user's locale.
invisible(Sys.setlocale("LC_CTYPE", "C.UTF-8"))

read_text <- function(path) {
  read.csv(path, colClasses = "character", na.strings = character(), check.names = FALSE, encoding = "UTF-8")
}

frames_in <- function(folder) {
  columns <- read_text(file.path(folder, "columns.csv"))
  function(name) {
    rows <- read_text(file.path(folder, sprintf("frame_%s.csv", name)))
    own <- columns[columns$frame == name, ]
    for (column in unique(own$column)) {
      here <- own[own$column == column, ]
      values <- ifelse(rows[[column]] == "", NA, rows[[column]])
      rows[[column]] <- switch(here$kind[1], number = as.numeric(values), truth = values == "True", text = factor(values),
                               factor(values, levels = here$level, ordered = here$kind[1] == "ordered"))
    }
    rows
  }
}

# "a=contr.sum;b=.." as a list for the levels that the frame has.
contrasts_of <- function(described, data) {
  pairs <- strsplit(strsplit(described, ";", fixed = TRUE)[[1]], "=", fixed = TRUE)
  found <- lapply(pairs, function(pair) eval(parse(text = pair[2]), list(levels = levels(data[[pair[1]]]))))
  names(found) <- vapply(pairs, `[`, "", 1)
  if (length(found)) found else NULL
}
