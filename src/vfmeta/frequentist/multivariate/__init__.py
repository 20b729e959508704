"""Dependent effects: multilevel and multivariate models, sampling covariances, cluster-robust inference."""
