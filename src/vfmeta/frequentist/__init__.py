"""Frequentist engine: common-effect and random-effects models, their moderators, counts and dependent effects."""
