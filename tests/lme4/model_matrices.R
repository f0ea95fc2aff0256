# What R's model.matrix makes of many formulas:  Rscript model_matrices.R folder
#
# The folder has frame_<number>.csv, levels.csv (frame, column, level, ordered; in order) and formulas.csv (id, frame, formula,
# contrasts: "factor=expression" joined by semicolons). Writes matrices.json: names and values by formula, or R's error.

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
source(file.path(here, "common.R"))
suppressMessages({library(splines); library(MASS)})
folder <- argument(1)
text <- function(path) read.csv(path, colClasses = "character", na.strings = character(), check.names = FALSE)
levels_of <- text(file.path(folder, "levels.csv"))
formulas <- text(file.path(folder, "formulas.csv"))

frame <- function(number) {
  rows <- read.csv(file.path(folder, sprintf("frame_%s.csv", number)), check.names = FALSE, na.strings = "",
                   stringsAsFactors = FALSE, colClasses = c(`odd label` = "character", f = "character"))
  own <- levels_of[levels_of$frame == number, ]
  for (name in unique(own$column)) {
    these <- own[own$column == name, ]
    rows[[name]] <- factor(as.character(rows[[name]]), levels = these$level, ordered = these$ordered[1] == "True")
  }
  rows$b <- rows$b == "True"
  is_text <- vapply(rows, is.character, NA)
  rows[is_text] <- lapply(rows[is_text], factor)
  rows
}
frames <- sapply(unique(formulas$frame), frame, simplify = FALSE)

contrasts_of <- function(described, data) {
  pairs <- strsplit(strsplit(described, ";", fixed = TRUE)[[1]], "=", fixed = TRUE)
  found <- lapply(pairs, function(pair) eval(parse(text = pair[2]), list(levels = levels(data[[pair[1]]]))))
  names(found) <- vapply(pairs, `[`, "", 1)
  if (length(found)) found else NULL
}

matrix_of <- function(entry) {
  tryCatch({
    formula <- as.formula(entry$formula)
    data <- frames[[entry$frame]]
    data <- data[complete.cases(data[all.vars(formula)]), ]
    model <- model.frame(formula, data, drop.unused.levels = TRUE)
    found <- suppressWarnings(model.matrix(formula, model, contrasts_of(entry$contrasts, model)))
    list(id = entry$id, names = I(colnames(found)), values = I(as.vector(found)))
  }, error = function(e) list(id = entry$id, error = conditionMessage(e)))
}

write_json(lapply(split(formulas, seq_len(nrow(formulas))), matrix_of) |> unname(), file.path(folder, "matrices.json"))
