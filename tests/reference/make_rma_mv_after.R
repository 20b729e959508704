# Makes rma_mv_after.json: components held fixed, related groups, user weights, deletion diagnostics, random effects and
# predictions of rma.mv. Run in this folder: Rscript make_rma_mv_after.R (metafor 3.8-1, jsonlite).
suppressMessages({library(metafor); library(jsonlite)})
set.seed(42)
k <- 24
dat <- data.frame(trial = rep(1:8, each = 3), outcome = rep(c("a", "b", "c"), 8), effect = 1:k, x = round(rnorm(k), 2),
                  vi = round(runif(k, .03, .2), 3), week = rep(c(0, 2, 7), 8))
dat$yi <- round(rnorm(8, 0, .5)[dat$trial] + rnorm(k, 0, sqrt(dat$vi + .05)), 3)
V <- vcalc(vi, cluster = trial, obs = effect, rho = 0.4, data = dat)
L <- matrix(rnorm(64), 8)
R <- round(cov2cor(crossprod(L) + 8 * diag(8)), 3)
dimnames(R) <- list(1:8, 1:8)
w <- round(1 / dat$vi, 1)
WM <- diag(w); WM[1, 2] <- WM[2, 1] <- 3; WM[5, 6] <- WM[6, 5] <- -2
ctl <- list(optimizer = "optim", optmethod = "Nelder-Mead", maxit = 20000, reltol = 1e-15)
inputs <- c(as.list(dat), list(V = unname(V)))
cases <- list()
add <- function(id, options, expect, extra = list()) {
  cases[[length(cases) + 1]] <<- list(id = unbox(paste0("mv.after.", id)), family = unbox("rma_mv"),
    source = unbox("metafor 3.8-1"), dataset = unbox("simulated, make_rma_mv_after.R"), inputs = c(inputs, extra),
    options = options, expect = expect)
}
u <- unbox
shown <- function(f, ll = TRUE) {
  out <- list(beta = c(coef(f)), se = f$se, zval = f$zval, pval = f$pval, ci_lb = f$ci.lb, ci_ub = f$ci.ub,
    sigma2 = f$sigma2, tau2 = f$tau2, rho = f$rho, QE = u(f$QE), QEp = u(f$QEp), QM = u(f$QM), QMp = u(f$QMp), vb = unname(f$vb))
  if (ll) out[[paste0("ll_", f$method)]] <- u(c(logLik(f)))
  if (ll) out$AIC <- u(AIC(f))
  out
}
model <- function(id, options, f, extra = list(), ll = TRUE)
  add(id, c(lapply(list(fun = "rma.mv", method = f$method, suggested_rtol = 1e-5), u), options), shown(f, ll), extra)
three <- ~ 1 | trial/effect
model("sigma2.one", list(random = u("~ 1 | trial/effect"), sigma2 = c(.04, NA)),
      rma.mv(yi, V, random = three, sigma2 = c(.04, NA), data = dat, control = ctl))
model("sigma2.both", list(random = u("~ 1 | trial/effect"), sigma2 = c(.04, .02), formula = u("~ x")),
      rma.mv(yi, V, mods = ~ x, random = three, sigma2 = c(.04, .02), data = dat))
model("tau2.UN", list(random = u("~ outcome | trial"), struct = u("UN"), tau2 = c(.1, NA, .3)),
      rma.mv(yi, V, random = ~ outcome | trial, struct = "UN", tau2 = c(.1, NA, .3), data = dat, control = ctl))
model("rho.UN", list(random = u("~ outcome | trial"), struct = u("UN"), rho = c(.2, .3, .5)),
      rma.mv(yi, V, random = ~ outcome | trial, struct = "UN", rho = c(.2, .3, .5), data = dat, control = ctl))
model("rho.HCS.ML", list(random = u("~ outcome | trial"), struct = u("HCS"), rho = u(.4)),
      rma.mv(yi, V, random = ~ outcome | trial, struct = "HCS", rho = .4, method = "ML", data = dat, control = ctl))
model("tau2.CS", list(random = u("~ outcome | trial"), struct = u("CS"), tau2 = u(.2)),
      rma.mv(yi, V, random = ~ outcome | trial, struct = "CS", tau2 = .2, data = dat, control = ctl))
model("rho.CAR", list(random = u("~ week | trial"), struct = u("CAR"), rho = u(.8)),
      rma.mv(yi, V, random = ~ week | trial, struct = "CAR", rho = .8, data = dat, control = ctl))
model("R", list(random = u("~ 1 | trial/effect"), R = u("trial")),
      rma.mv(yi, V, random = three, R = list(trial = R), data = dat, control = ctl), list(R = unname(R)))
# rma.mv puts the weighted coefficients into the likelihood it prints, so that one is not compared
model("W.vector", list(random = u("~ 1 | trial/effect"), formula = u("~ x")),
      rma.mv(yi, V, W = w, mods = ~ x, random = three, data = dat, control = ctl), list(W = w), FALSE)
model("W.matrix", list(random = u("~ 1 | trial/effect"), formula = u("~ x"), sigma2 = c(.04, .02)),
      rma.mv(yi, V, W = WM, mods = ~ x, random = three, sigma2 = c(.04, .02), data = dat), list(W = unname(WM)), FALSE)

after <- function(id, options, f, cluster, reestimate, extra = list()) {
  again <- if (is.null(cluster)) list(reestimate = reestimate) else list(cluster = dat[[cluster]], reestimate = reestimate)
  do <- function(fun) do.call(fun, c(list(f), again))
  gone <- do(rstudent)
  own <- rstandard(f)
  expect <- list(cook_d = unname(do(cooks.distance)), dfbs = unname(as.matrix(do(dfbetas))), hat = unname(hatvalues(f)),
    standardised = list(resid = unname(own$resid), se = unname(own$se), z = unname(own$z)))
  one <- if (is.null(cluster)) gone else gone$obs
  expect$deleted <- list(resid = unname(one$resid), se = unname(one$se), z = unname(one$z))
  # a difference of nearly equal coefficients, of which a flat likelihood leaves R eight digits
  if (is.null(cluster) && reestimate) expect$dfbs <- NULL
  if (!is.null(cluster)) expect$X2 <- unname(gone$cluster$X2)
  add(id, c(lapply(list(fun = "influence.rma.mv", method = f$method, reestimate = reestimate, suggested_rtol = 1e-5), u),
    if (is.null(cluster)) NULL else list(cluster = u(cluster)), options), expect, extra)
}
f <- rma.mv(yi, V, mods = ~ x, random = three, data = dat, control = ctl)
o <- list(random = u("~ 1 | trial/effect"), formula = u("~ x"))
after("influence.cluster", o, f, "trial", TRUE)
after("influence.cluster.held", o, f, "trial", FALSE)
after("influence.row", o, f, NULL, TRUE)
g <- rma.mv(yi, V, mods = ~ x, random = ~ outcome | trial, struct = "UN", tau2 = c(.1, .2, .3), rho = c(.2, .3, .5), data = dat)
og <- list(random = u("~ outcome | trial"), struct = u("UN"), formula = u("~ x"), tau2 = c(.1, .2, .3), rho = c(.2, .3, .5))
after("influence.UN", og, g, "trial", FALSE)
h <- rma.mv(yi, V, W = w, mods = ~ x, random = three, sigma2 = c(.04, .02), data = dat)
after("influence.W", c(o, list(sigma2 = c(.04, .02))), h, NULL, FALSE, list(W = w))

ranef_case <- function(id, options, f, test = "z", extra = list()) {
  r <- ranef(f)
  expect <- lapply(list(intrcpt = "intrcpt", se = "se", pi_lb = "pi.lb", pi_ub = "pi.ub"),
                   function(n) unlist(lapply(r, function(part) part[[n]]), use.names = FALSE))
  add(id, c(lapply(list(fun = "ranef.rma.mv", method = f$method, test = test, suggested_rtol = 1e-5), u), options), expect, extra)
}
ranef_case("ranef.three", o, rma.mv(yi, V, mods = ~ x, random = three, test = "t", data = dat, control = ctl), "t")
ranef_case("ranef.UN", og, g)
ranef_case("ranef.R", list(random = u("~ 1 | trial"), R = u("trial")),
           rma.mv(yi, V, random = ~ 1 | trial, R = list(trial = R), data = dat, control = ctl), extra = list(R = unname(R)))

p <- predict(rma.mv(yi, V, random = list(~ outcome | trial, ~ 1 | effect), struct = "UN", tau2 = c(.1, .2, .3), rho = c(.2, .3, .5),
                    sigma2 = .01, data = dat), tau2.levels = c("a", "b", "c"))
add("predict.levels", c(lapply(list(fun = "predict.rma.mv", method = "REML", suggested_rtol = 1e-8), u),
    list(random = c("~ outcome | trial", "~ 1 | effect"), struct = u("UN"), tau2 = c(.1, .2, .3), rho = c(.2, .3, .5), sigma2 = u(.01))),
    list(pred = rep(p$pred, length.out = 3), pi_lb = p$pi.lb, pi_ub = p$pi.ub))
write(toJSON(cases, digits = 15, na = "null", pretty = FALSE), "rma_mv_after.json")
