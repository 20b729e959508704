"""Would it stand? Checks of an answer by other means, one question a file."""
