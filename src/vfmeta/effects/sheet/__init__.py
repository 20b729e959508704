"""From a spreadsheet to effects: which column is what, what each row can give, and the one measure that all of them share."""
