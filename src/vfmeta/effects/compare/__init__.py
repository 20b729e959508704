"""From the tables of trials to a table of effects."""
