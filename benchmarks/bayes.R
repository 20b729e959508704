# Seconds that bayesmeta takes on the data written by bayes.py: Rscript bayes.R folder
suppressMessages(library(bayesmeta))
folder <- commandArgs(TRUE)[1]
one <- read.csv(file.path(folder, "one.csv"))
fit <- function(scale = 0.5, sd = NA) {
  prior <- if (is.na(sd)) c("mean" = NA, "sd" = NA) else c("mean" = 0, "sd" = sd)
  b <- bayesmeta(y = one$y, sigma = sqrt(one$v), mu.prior = prior,
                 tau.prior = function(t) dhalfnormal(t, scale = scale), interval.type = "central")
  c(b$summary["95% lower", "mu"], b$theta["95% lower", ])
}
cat("version", as.character(packageVersion("bayesmeta")), "\n")
fit()
cat("one", min(replicate(3, system.time(fit())["elapsed"])), "\n")
# 4 of the 2,500 priors of the grid
spent <- system.time(for (scale in c(0.1, 1)) for (sd in c(0.5, 5)) fit(scale, sd))["elapsed"]
cat("grid", spent / 4 * 2500, "\n")
