"""What every floor may know: errors, the question, declared options and measures."""
