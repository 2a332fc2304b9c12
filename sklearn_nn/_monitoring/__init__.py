"""How training is watched: callbacks, printed lines, and warnings at the end."""
