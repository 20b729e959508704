# Times metafor on the data that bench.py wrote; one line "task seconds" each.
suppressMessages(library(metafor))
folder <- commandArgs(trailingOnly = TRUE)[1]
read <- function(name) read.csv(file.path(folder, name))
timed <- function(task, code, times = 1) {
  elapsed <- system.time(for (i in seq_len(times)) code())[["elapsed"]]
  cat(task, elapsed / times, "\n")
}
cat("version", as.character(packageVersion("metafor")), "\n")
one <- read("one.csv")
timed("one", function() { f <- rma(yi, vi, data = one, test = "knha"); predict(f); confint(f) }, 20)
loop <- read("loop.csv")[1:2000, ]
timed("loop", function() for (g in split(loop, loop$question)) rma(g$y, g$v, test = "knha"))
large <- read("large.csv")
timed("leave_one_out", function() for (i in 1:5) rma(y, v, data = large[-i, ])) # 5 of the 500 fits it is made of
levels3 <- read("levels.csv")
timed("three_levels", function() rma.mv(y, v, random = ~ 1 | district / study, data = levels3), 3)
smoking <- read("smoking.csv")
pool <- rma(yi, vi, data = smoking)
timed("egger", function() regtest(pool, model = "lm"), 20)
timed("trim_and_fill", function() trimfill(pool), 20)
ml <- rma(yi, vi, data = smoking, method = "ML")
timed("selection_step", function() selmodel(ml, type = "stepfun", steps = 0.025), 5)
timed("selection_beta", function() selmodel(ml, type = "beta"))
