# What R's model.matrix makes of many formulas:  Rscript model_matrices.R folder
#
# The folder has frames (frames_for_r.R) and formulas.csv (id, frame, formula, contrasts: "factor=expression" joined by semicolons).
# Writes matrices.json: names and values by formula, or R's error.

here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)))
source(file.path(here, "common.R"))
source(file.path(here, "frames_for_r.R"))
suppressMessages({library(splines); library(MASS)})
folder <- argument(1)
formulas <- read_text(file.path(folder, "formulas.csv"))
frames <- sapply(unique(formulas$frame), frames_in(folder), simplify = FALSE)

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
