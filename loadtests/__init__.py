"""Simulated users, load scenarios and the history checker."""
