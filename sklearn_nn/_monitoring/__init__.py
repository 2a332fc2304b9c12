"""Monitoring of training: callbacks, printed lines, and warnings at the end."""
