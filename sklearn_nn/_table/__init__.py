"""Tables as they are: kinds of columns, and their encoding as numbers for a network."""
